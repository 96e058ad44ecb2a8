"""Understanding a question and answering it with sentences of what is given. Pure."""
