# syntax=docker/dockerfile:1
# The pages. They speak HTTP with the API and import nothing of it: no torch here.
# docker build --file docker/ui.Dockerfile --tag frontdesk-ui .
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /venv
COPY ui/requirements.lock ./
RUN /venv/bin/pip install --no-deps --requirement requirements.lock

FROM python:3.11-slim-bookworm
RUN useradd --uid 10002 --no-create-home --shell /usr/sbin/nologin frontdesk
COPY --from=build /venv /venv
COPY ui /app/ui
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    STREAMLIT_BROWSER_GATHER_USAGE_STATS=false \
    HOME=/tmp
WORKDIR /app/ui
USER frontdesk
EXPOSE 8501 8502
CMD ["python", "-m", "streamlit", "run", "customer.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true", "--logger.level=warning"]
