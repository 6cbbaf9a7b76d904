# One image for a central: the four services and parkctl on a bare root file system (no shell, no package manager), as user 10001.
#
#   docker build -t parkmesh/central .                 what sites run
#   docker build -t parkmesh/lab --target lab .        the same with the lab's program: keys, traffic
#
# Builds with and without BuildKit. Where no registry can be reached, `scripts/images` hands in binaries that are already built as BUILD_IMAGE.

ARG BUILD_IMAGE=rust:1.95.0-slim-bookworm

FROM ${BUILD_IMAGE} AS build
ARG VERSION=0.1.0
WORKDIR /src
COPY . .
# /out/bin is there already when the image brings the binaries.
RUN if [ ! -d /out/bin ]; then ./scripts/image-binaries build; fi \
    && ./scripts/image-binaries root /out/bin /out/central /out/lab

FROM scratch AS base
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="parkmesh" \
      org.opencontainers.image.description="One central of a parkmesh: edge-gateway, ledger, mesh, sync, parkctl" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# Two threads share one heap well, and leave less of it behind.
ENV PATH=/usr/local/bin P2P_CONFIG_FILE=/etc/parkmesh/p2p_config.json MALLOC_ARENA_MAX=1
USER 10001:10001
# The services end in order when they are asked to: lanes first, then the queues, then telemetry.
STOPSIGNAL SIGTERM

# The lab's program beside the others. Before the last stage, which is what `docker build .` makes.
FROM base AS lab
COPY --from=build /out/central/ /
COPY --from=build /out/lab/ /
ENTRYPOINT ["lab"]

FROM base AS central
COPY --from=build /out/central/ /
CMD ["parkctl", "--help"]
