# syntax=docker/dockerfile:1
# Two stages: the first builds and keeps only what runs; the second has no
# compiler, no npm cache and no development dependency. Works with a read-only
# root file system, every capability dropped and no-new-privileges:
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -v sallyport:/data -p 127.0.0.1:7070:7070 -p 127.0.0.1:3128:3128 sallyport
# The base is pinned by version; a release pins its digest as well.
FROM node:26.10.0-bookworm-slim AS build
WORKDIR /build
# The image brings the runtime itself, so no install script runs, the pinned Node's included.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --ignore-scripts
COPY tsconfig.json ./
COPY src src
COPY control control
COPY gateway gateway
COPY client client
COPY console console
COPY scripts/bundle.ts scripts/bundle-console.ts scripts/third-party.ts scripts/
RUN node scripts/bundle.ts \
 && node scripts/bundle-console.ts \
 && node dist/server/main.js version \
 && npm prune --omit=dev --ignore-scripts

FROM node:26.10.0-bookworm-slim
# MALLOC_ARENA_MAX as scripts/launch.js has it. SQLite makes temporary files when a migration rewrites a table, and
# finds no place for them in a read-only root unless it is told one.
ENV NODE_ENV=production \
    MALLOC_ARENA_MAX=2 \
    SQLITE_TMPDIR=/data \
    SALLYPORT_DATA_DIR=/data \
    SALLYPORT_LOG_FORMAT=json \
    SALLYPORT_CONTROL_LISTEN=0.0.0.0:7070 \
    SALLYPORT_GATEWAY_LISTEN=0.0.0.0:3128 \
    SALLYPORT_ALLOW_REMOTE=true
WORKDIR /app
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY --from=build /build/package.json ./
COPY scripts/healthcheck.js scripts/healthcheck.js
COPY LICENSE ./
# The volume belongs to the only user that runs here.
RUN install -d -m 0700 -o 10001 -g 10001 /data
USER 10001:10001
VOLUME ["/data"]
EXPOSE 7070 3128
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["node", "scripts/healthcheck.js"]
ENTRYPOINT ["node", "dist/server/main.js"]
CMD ["serve"]
