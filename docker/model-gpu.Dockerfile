# syntax=docker/dockerfile:1
# frontdesk serve-model on NVIDIA cards: vLLM's own image, with frontdesk in an environment of its own, since its packages are
# other versions than vLLM's. docker build --file docker/model-gpu.Dockerfile --tag frontdesk-model:0.1.0 .
FROM vllm/vllm-openai:v0.32.0
# frontdesk prepares weights on the processor; the cards are vLLM's.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python3 -m venv /venv
COPY requirements.lock ./
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
RUN /venv/bin/pip install --no-deps --no-build-isolation . \
 && useradd --uid 10003 --home-dir /data --no-create-home --shell /usr/sbin/nologin vllm \
 && install --directory --owner=vllm --group=vllm /data
# vLLM's Python is the image's; serve-model starts it.
ENV FRONTDESK_VLLM_PYTHON=/usr/bin/python3 \
    PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FRONTDESK_HOME=/data \
    HOME=/data
WORKDIR /data
USER vllm
EXPOSE 8001
ENTRYPOINT []
CMD ["python", "-m", "app.cli", "serve-model", "--host=0.0.0.0"]
