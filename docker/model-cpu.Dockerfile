# syntax=docker/dockerfile:1
# frontdesk serve-model on processors, from the two images that are there: the app's, with vLLM's environment beside its own.
# docker build --file docker/model-cpu.Dockerfile --tag frontdesk-model-cpu:0.1.0 .
FROM frontdesk-vllm-cpu:0.32.0 AS vllm

FROM frontdesk-app:0.1.0
USER root
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libnuma1 libtcmalloc-minimal4 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10003 --home-dir /data --no-create-home --shell /usr/sbin/nologin vllm \
 && chown vllm:vllm /data
# Moved from /venv: its commands would not start there, but `python -m` does, and serve-model asks for nothing else.
COPY --from=vllm /venv /opt/vllm
ENV FRONTDESK_VLLM_PYTHON=/opt/vllm/bin/python \
    HOME=/data
USER vllm
EXPOSE 8001
CMD ["python", "-m", "app.cli", "serve-model", "--host=0.0.0.0"]
