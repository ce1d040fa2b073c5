# syntax=docker/dockerfile:1
# The API with its ingestion worker: docker build --file docker/app.Dockerfile --tag frontdesk-app .
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

FROM python:3.11-slim-bookworm
# A data volume takes its owner from this folder when it is first used.
RUN useradd --uid 10001 --home-dir /data --shell /usr/sbin/nologin frontdesk \
 && install --directory --owner=frontdesk --group=frontdesk --mode=0750 /data
COPY --from=build /venv /venv
# Everything that is written goes to /data or /tmp; the rest may be read-only.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FRONTDESK_HOME=/data \
    HF_HOME=/data/hub \
    HOME=/tmp
WORKDIR /data
USER frontdesk
EXPOSE 8000
CMD ["python", "-m", "app.main"]
