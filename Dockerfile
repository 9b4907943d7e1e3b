# The image of every part of Accrue: one binary, which runs what its command names.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package accrue --bin accrue

FROM debian:bookworm-slim
# The user by number, so that a cluster can see that it is not root.
RUN install -d -o 10001 -g 10001 -m 700 /var/lib/accrue
# For servers that are spoken to over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/accrue /usr/local/bin/
USER 10001:10001
# Loopback would be the container's own: who may reach it is decided where its ports are published.
ENV AUTH_LISTEN=0.0.0.0:8001 ACCOUNTING_LISTEN=0.0.0.0:8002 ACCRUE_DATA_DIR=/var/lib/accrue
# The all-in-one's files, and the keys of an auth that was given none (AUTH_KEY_ENCRYPTION_KEYS).
VOLUME /var/lib/accrue
EXPOSE 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["accrue", "health"]
ENTRYPOINT ["accrue"]
