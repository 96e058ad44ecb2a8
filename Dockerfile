# The embedded service in a container: docker build --tag lumnis . ; see docs/serving.md.
# EXTRAS are those of pyproject.toml, PACKAGES are further ones, such as "langchain langchain-openai" for a chat model.
# Versions and hashes are those of constraints.txt; a package that is not in it is refused.
FROM python:3.13-slim AS build
ARG EXTRAS="cli local files liminal-local"
ARG PACKAGES=""
WORKDIR /build
COPY constraints.txt ./
RUN python -m venv /opt/build && sed -n '/^uv==/,/[^\\]$/p' constraints.txt > uv.txt \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement uv.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
RUN /opt/build/bin/uv venv --python /usr/local/bin/python /opt/lumnis \
    && for name in $PACKAGES; do pins="$pins $(grep -o "^$name==[^ ]*" constraints.txt)" || exit 1; done \
    && /opt/build/bin/uv pip install --no-cache --python /opt/lumnis/bin/python --require-hashes \
    --constraint constraints.txt --build-constraint constraints.txt --requirement pyproject.toml \
    $(printf -- '--extra %s ' $EXTRAS) $pins
COPY lumnisai_core lumnisai_core
COPY lumnisai_integrations lumnisai_integrations
COPY llama_index llama_index
RUN /opt/build/bin/uv pip install --no-cache --python /opt/lumnis/bin/python --no-deps \
    --build-constraint constraints.txt --compile-bytecode .

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home lumnis && install --directory --owner lumnis --mode 0700 /data
COPY --from=build /opt/lumnis /opt/lumnis
ENV PATH=/opt/lumnis/bin:$PATH PYTHONUNBUFFERED=1
USER lumnis
WORKDIR /home/lumnis
VOLUME /data
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8787/v1/health', timeout=4)"]
ENTRYPOINT ["lumnis", "serve", "--host", "0.0.0.0", "--path", "/data/lumnis.db", "--api-key-file", "/data/lumnis.key"]
