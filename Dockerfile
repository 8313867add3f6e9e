# The image of kasm-mcp: the program without the emulator, the libraries it is linked to, and certificates. No shell.
#
#   docker build -t kasm-mcp .
#   docker build -t kasm-mcp --build-arg PROFILE=release .      # quicker to build; not what ships
#   docker build -t kasm-mcp --build-arg BINARY=prebuilt .      # packs dist/kasm-mcp, compiles nothing;
#                                                               # the target demo packs dist/kasm-mcp-demo
#   docker build -t kasm-mcp-demo --target demo .               # with an emulated Kasm

ARG BINARY=compiled
ARG DEBIAN=docker.io/library/debian:bookworm-slim
ARG RUST=docker.io/library/rust:1-slim-bookworm

# ---- the program, compiled ----
FROM ${RUST} AS compiled
ARG PROFILE=dist
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake gcc g++ libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# First everything that it depends on, with nothing in it: a layer that stays until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY crates/emulator/Cargo.toml crates/emulator/
COPY tests/interop/fixture/Cargo.toml tests/interop/fixture/
# Benches are named in Cargo.toml, so they must be there.
COPY benches benches
RUN mkdir -p src crates/emulator/src crates/emulator/tests tests/interop/fixture/src \
    && touch src/lib.rs crates/emulator/src/lib.rs tests/interop/fixture/src/lib.rs crates/emulator/tests/emulator.rs \
    && for program in src tests/interop/fixture/src; do echo 'fn main() {}' > $program/main.rs; done \
    && cargo build --locked --profile $PROFILE --no-default-features --bin kasm-mcp \
    && rm -rf src crates tests
COPY crates crates
COPY tests/interop/fixture tests/interop/fixture
COPY deploy/release/compile deploy/release/hot-functions deploy/release/ordered-gcc deploy/release/
COPY src src
# Cargo goes by the time of a file, and a file here can be older than the empty one before it.
RUN find src crates -name '*.rs' -exec touch {} + \
    && PROFILE=$PROFILE deploy/release/compile --no-default-features \
    && mkdir /out \
    && cp target/$([ $PROFILE = dev ] && echo debug || echo $PROFILE)/kasm-mcp /out/

# ---- the same with the emulator: the feature `demo` ----
FROM compiled AS compiled-demo
ARG PROFILE=dist
RUN PROFILE=$PROFILE deploy/release/compile \
    && cp target/$([ $PROFILE = dev ] && echo debug || echo $PROFILE)/kasm-mcp /out/

# ---- the programs, brought along ----
FROM ${DEBIAN} AS prebuilt
COPY dist/kasm-mcp /out/kasm-mcp

FROM ${DEBIAN} AS prebuilt-demo
COPY dist/kasm-mcp-demo /out/kasm-mcp

FROM ${BINARY} AS binary
FROM ${BINARY}-demo AS binary-demo

# ---- everything that the image has ----
FROM ${DEBIAN} AS tree
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=binary --chmod=0755 /out/kasm-mcp /tree/usr/local/bin/kasm-mcp
# Libraries where the loader expects them; the loader itself among them.
RUN ldd /tree/usr/local/bin/kasm-mcp | grep -o '/[^ ]*' | while read -r library; do \
        install -D -m 755 "$library" "/tree$library"; \
    done \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /tree/etc/ssl/certs/ca-certificates.crt \
    && echo 'hosts: files dns' > /tree/etc/nsswitch.conf \
    && echo 'kasm-mcp:x:10001:10001::/var/lib/kasm-mcp:/nonexistent' > /tree/etc/passwd \
    && echo 'kasm-mcp:x:10001:' > /tree/etc/group \
    && install -d -m 1777 /tree/tmp \
    && install -d /tree/dev /tree/proc /tree/run /tree/sys \
    && install -d -m 750 -o 10001 -g 10001 /tree/var/lib/kasm-mcp /tree/var/log/kasm-mcp

# ---- a server with an emulated Kasm, whose sessions need programs to run ----
FROM ${DEBIAN} AS demo
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap python3-minimal \
    && rm -rf /var/lib/apt/lists/*
COPY --from=binary-demo --chmod=0755 /out/kasm-mcp /usr/local/bin/kasm-mcp
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["/usr/local/bin/kasm-mcp", "health"]
ENTRYPOINT ["/usr/local/bin/kasm-mcp"]
CMD ["--host", "0.0.0.0", "demo"]

# ---- the server ----
FROM scratch AS server
COPY --from=tree /tree /
LABEL org.opencontainers.image.title="kasm-mcp" \
      org.opencontainers.image.description="A remote MCP server for Kasm Workspaces" \
      org.opencontainers.image.source="https://github.com/kasm-mcp/kasm-mcp" \
      org.opencontainers.image.licenses="MIT" \
      io.modelcontextprotocol.server.name="io.github.kasm-mcp/kasm-mcp"
# By number, so that runAsNonRoot can tell.
USER 10001:10001
WORKDIR /var/lib/kasm-mcp
VOLUME ["/var/lib/kasm-mcp", "/var/log/kasm-mcp"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["/usr/local/bin/kasm-mcp", "health"]
ENTRYPOINT ["/usr/local/bin/kasm-mcp"]
CMD ["serve"]
