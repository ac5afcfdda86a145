# The image of certlet: an empty one with what hack/image lays out, and nothing to log in to.
#
# Debian 13 for its OpenSSL 3.5, which makes RSA keys four times as fast as Debian 12's 3.0.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t certlet .

FROM debian:13-slim AS build
WORKDIR /src
COPY hack/deps hack/deps
RUN hack/deps build image
COPY . .
RUN hack/image /rootfs

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="certlet" \
      org.opencontainers.image.description="cert-manager's API in one small process" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="scratch"
COPY --from=build /rootfs /
USER 65532:65532
# 9402 metrics, 9403 health
EXPOSE 9402 9403
ENTRYPOINT ["/usr/bin/certlet"]
CMD ["controller"]
