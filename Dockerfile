# Every image of the system, one target each, built from the root of the repository:
#   docker build --target auth .
# A service's image holds its own packages and its own code, nothing of the others'.
#
# No syntax line: it would fetch a front end by a tag that moves. Bases are exact versions; the
# release pins their digests (docs/adr/0014).
ARG PYTHON=python:3.13.14-slim-trixie
ARG NODE=node:24.18.0-bookworm-slim
ARG ROUTER=ghcr.io/apollographql/router:v2.17.0

# -- packages: a virtual environment for each service ----------------------------------------------

FROM ${PYTHON} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /venv

FROM packages AS auth-packages
COPY requirements/auth.txt .
RUN pip --python /venv/bin/python install --require-hashes -r auth.txt

FROM packages AS tweets-packages
COPY requirements/tweets.txt .
RUN pip --python /venv/bin/python install --require-hashes -r tweets.txt

FROM packages AS notifier-packages
# dkimpy is published as source only; what builds it is pinned as well, instead of fetched by pip.
COPY requirements/build.txt requirements/notifier.txt ./
RUN pip install --require-hashes -r build.txt \
    && pip wheel --require-hashes --no-build-isolation --wheel-dir wheels -r notifier.txt \
    && pip --python /venv/bin/python install --no-index --no-deps wheels/*.whl

FROM packages AS explorer-packages
COPY requirements/chassis.txt .
RUN pip --python /venv/bin/python install --require-hashes -r chassis.txt

FROM packages AS prober-packages
COPY requirements/prober.txt .
RUN pip --python /venv/bin/python install --require-hashes -r prober.txt

# -- what the services share -----------------------------------------------------------------------

FROM ${PYTHON} AS service
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
# Healthy means ready: it has what it needs. READY is each image's own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(os.environ['READY'], timeout=4)"]

# -- images ----------------------------------------------------------------------------------------

FROM service AS auth
COPY --from=auth-packages /venv /venv
COPY chassis chassis
COPY subgraphs/__init__.py subgraphs/
COPY subgraphs/auth subgraphs/auth
ENV READY=http://127.0.0.1:4101/readyz
EXPOSE 4101 4111
ENTRYPOINT ["python", "-m", "subgraphs.auth"]
CMD ["serve"]

FROM service AS tweets
COPY --from=tweets-packages /venv /venv
COPY chassis chassis
COPY subgraphs/__init__.py subgraphs/
COPY subgraphs/tweets subgraphs/tweets
ENV READY=http://127.0.0.1:4102/readyz
EXPOSE 4102
ENTRYPOINT ["python", "-m", "subgraphs.tweets"]
CMD ["serve"]

FROM service AS notifier
COPY --from=notifier-packages /venv /venv
COPY chassis chassis
COPY notifier notifier
ENV READY=http://127.0.0.1:4103/readyz
EXPOSE 4103
ENTRYPOINT ["python", "-m", "notifier"]
CMD ["serve"]

FROM ${NODE} AS explorer-page
WORKDIR /build
COPY explorer/package.json explorer/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY explorer ./
RUN npm run build

FROM service AS explorer
COPY --from=explorer-packages /venv /venv
COPY chassis chassis
COPY explorer/*.py explorer/
COPY --from=explorer-page /build/dist explorer/dist
ENV READY=http://127.0.0.1:4104/readyz
EXPOSE 4104
ENTRYPOINT ["python", "-m", "explorer"]
CMD ["serve"]

# Uses the system from outside, as a person would, and tells Prometheus how it went.
FROM service AS prober
COPY --from=prober-packages /venv /venv
COPY deploy/__init__.py deploy/
COPY deploy/laptop/*.py deploy/laptop/
COPY deploy/prober deploy/prober
ENV READY=http://127.0.0.1:4190/metrics
EXPOSE 4190
ENTRYPOINT ["python", "-m", "deploy.prober"]

# The official router with our configuration and the supergraph that belongs to this release.
FROM ${ROUTER} AS router
COPY router/router.yaml router/limits.rhai router/supergraph.graphql /chirp/
USER 1000:1000
EXPOSE 4100
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4100; printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3; grep -q ' 200 ' <&3"]
CMD ["--config", "/chirp/router.yaml", "--supergraph", "/chirp/supergraph.graphql"]

# Prints the configuration of the edge; Envoy itself is the official image. Runs once, before it.
FROM ${PYTHON} AS edge-config
WORKDIR /app
COPY router/__init__.py router/accept.py router/edge.py router/edge.yaml router/
# A new volume of Compose takes its owner from here.
RUN install --directory --owner 10001 --group 10001 /configuration
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "router.edge"]
