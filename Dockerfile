# Builder and runtime are the same Debian, so that the program finds the C library it was linked with.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
# The dependencies alone, from empty crates: a layer that is reused until a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY vendor vendor
COPY aggregates/Cargo.toml aggregates/
COPY projections/Cargo.toml projections/
COPY bench/Cargo.toml bench/
COPY crates/secret/Cargo.toml crates/secret/
COPY crates/tls/Cargo.toml crates/tls/
COPY crates/tlog/Cargo.toml crates/tlog/
COPY crates/sealing/Cargo.toml crates/sealing/
COPY crates/store/Cargo.toml crates/store/
COPY crates/vault/Cargo.toml crates/vault/
COPY crates/ledger/Cargo.toml crates/ledger/
COPY crates/runner/Cargo.toml crates/runner/
COPY crates/proof/Cargo.toml crates/proof/
COPY crates/simulate/Cargo.toml crates/simulate/
RUN for crate in . aggregates projections bench crates/*; do mkdir -p "$crate/src" && touch "$crate/src/lib.rs"; done \
 && echo 'fn main() {}' | tee src/main.rs > bench/src/main.rs \
 && cargo build --profile dist --locked --bin warmledger
COPY . .
# cargo goes by time stamps, and the sources may be older than the empty crates above.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --profile dist --locked --bin warmledger

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/warmledger --shell /usr/sbin/nologin warmledger \
 && install -d -o warmledger -g warmledger -m 0700 /var/lib/warmledger
COPY --from=build /build/target/dist/warmledger /usr/local/bin/warmledger
USER warmledger
# A warmledger.toml may be mounted here.
WORKDIR /etc/warmledger
ENV WARMLEDGER_DATA_DIR=/var/lib/warmledger \
    WARMLEDGER_LISTEN=0.0.0.0:8080 \
    WARMLEDGER_LOG_FORMAT=json
VOLUME /var/lib/warmledger
EXPOSE 8080
# bash speaks TCP by itself: no curl is needed for this.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["bash", "-c", \
  "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["warmledger"]
CMD ["serve"]
