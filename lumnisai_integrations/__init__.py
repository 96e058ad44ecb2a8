"""Lumnis in LangChain (``lumnisai_integrations.langchain``) and LlamaIndex (``lumnisai_integrations.llama_index``)."""
