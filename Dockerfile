# Tandem in a container: CPU only, not as root, the model and the data on volumes.
#
#   docker build --tag tandem .
#   docker run --detach --name tandem --stop-timeout 30 --env TANDEM_TELEGRAM__TOKEN \
#     --volume tandem-models:/models --volume tandem-data:/data tandem
#   docker exec tandem tandem check
#
# Settings are variables (see config.example.toml), or a config.toml on the data volume.

FROM python:3.11-slim AS build
# Where the CPU build of torch comes from; set it to a mirror of yours.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH=2.13.0
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
RUN pip install --no-deps --index-url "$TORCH_INDEX" "torch==$TORCH"
WORKDIR /source
# Requirements alone first: this layer stays while only the code changes.
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY migrations migrations
COPY bot/__init__.py bot/
RUN pip install --constraint requirements.lock ".[postgres]"
COPY bot bot
RUN pip install --no-deps --force-reinstall .

FROM python:3.11-slim
# The engine is compiled behind the first start, for the very CPU that it runs on: an image built elsewhere cannot know it.
# hadolint ignore=DL3008  # Debian keeps no older releases of g++ to pin
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 tandem \
    && install --directory --owner tandem --group tandem /models /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XDG_DATA_HOME=/data \
    TANDEM_MODEL__DIR=/models
USER 1000
WORKDIR /data
VOLUME ["/models", "/data"]
# The first start fetches the model; until then nobody is impatient.
HEALTHCHECK --interval=30s --timeout=10s --start-period=15m --retries=3 CMD ["tandem", "check", "--quick"]
ENTRYPOINT ["tandem"]
CMD ["run"]
