# An image with only the server.
#
#   docker build -t causerie .
#   docker run -p 8000:8000 -e JWT_SECRET=… -v causerie:/data causerie
#
# This keeps a SQLite file in the volume. With DATABASE_URL=postgres://… the container is stateless.
# compose.yaml shows several nodes.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin causerie \
    && cp target/release/causerie /usr/local/bin/causerie \
    && mkdir /data

FROM debian:12.12-slim
# Root certificates, for NATS, PostgreSQL and key sets over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/local/bin/causerie /usr/local/bin/causerie
COPY --from=build --chown=10001:10001 /data /data
USER 10001:10001
VOLUME /data
ENV LISTEN=0.0.0.0:8000 DATABASE_URL=sqlite:///data/causerie.db?mode=rwc
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=40s CMD ["causerie", "health"]
ENTRYPOINT ["causerie"]
CMD ["serve"]
