# Every image of the system, built from the root of the repository. The target `service`, or
# `streaming-service`, builds each Python service with the arguments in services.toml:
#   docker compose build auth
# The image of a service holds its own packages and its own code only.
#
# There is no syntax line, because it would fetch a front end by a moving tag. Base images are exact
# versions (docs/adr/0014).
ARG PYTHON=python:3.13.14-slim-trixie
ARG NODE=node:24.18.0-bookworm-slim
ARG ROUTER=ghcr.io/apollographql/router:v2.17.0

# -- packages: a virtual environment for each requirements file ------------------------------------

FROM ${PYTHON} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /venv

FROM packages AS service-packages
ARG REQUIREMENTS=subgraph
# A package may be published as source only (dkimpy is). Its build dependencies are pinned too;
# otherwise pip would fetch their newest versions.
COPY requirements/build.txt requirements/${REQUIREMENTS}.txt ./
RUN pip install --require-hashes -r build.txt \
    && pip wheel --require-hashes --no-build-isolation --wheel-dir wheels -r "${REQUIREMENTS}.txt" \
    && pip --python /venv/bin/python install --no-index --no-deps wheels/*.whl
COPY packages packages
RUN pip wheel --no-index --no-deps --no-build-isolation --wheel-dir own ./packages/*/ \
    && pip --python /venv/bin/python install --no-index --no-deps own/*.whl

FROM packages AS prober-packages
COPY requirements/prober.txt .
RUN pip --python /venv/bin/python install --require-hashes -r prober.txt

# -- bases of the services -------------------------------------------------------------------------

FROM ${PYTHON} AS python
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
# A container is healthy when its readiness URL answers 200. Each image sets READY.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(os.environ['READY'], timeout=4)"]

FROM python AS chassis
ARG MODULE
ARG PORT
COPY --from=service-packages /venv /venv
COPY services.toml .
COPY chassis chassis
ENV MODULE=${MODULE} READY=http://127.0.0.1:${PORT}/readyz
EXPOSE ${PORT}
# The shell replaces itself with Python and passes on the container's arguments.
ENTRYPOINT ["sh", "-c", "exec python -m \"$MODULE\" \"$@\"", "service"]
CMD ["serve"]

# -- images ----------------------------------------------------------------------------------------

FROM chassis AS service
ARG FOLDER
COPY ${FOLDER} ${FOLDER}
# The files with secrets. A new Compose volume takes the owner of this folder.
USER 0:0
RUN install --directory --owner 10001 --group 10001 --mode 0750 /secrets
USER 10001:10001

# A service with subscriptions knows the schema of all subgraphs.
FROM service AS streaming-service
COPY router/api.graphql router/supergraph.graphql router/

FROM ${NODE} AS explorer-page
WORKDIR /build
COPY explorer/package.json explorer/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY explorer ./
RUN npm run build

FROM chassis AS explorer
COPY explorer/*.py explorer/
COPY router/api.graphql router/
COPY --from=explorer-page /build/dist explorer/dist

# Uses the system through the edge, as a user does, and serves the results to Prometheus.
FROM python AS prober
COPY --from=prober-packages /venv /venv
COPY services.toml .
COPY chassis/__init__.py chassis/node_ids.py chassis/topology.py chassis/
COPY client client
COPY deploy/__init__.py deploy/dotenv.py deploy/
COPY deploy/prober deploy/prober
ENV READY=http://127.0.0.1:4190/metrics
EXPOSE 4190
ENTRYPOINT ["python", "-m", "deploy.prober"]

# The official router with our configuration and the supergraph of this release.
FROM ${ROUTER} AS router
COPY router/router.yaml router/limits.rhai router/supergraph.graphql /chirp/
USER 1000:1000
EXPOSE 4100
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/4100; printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3; grep -q ' 200 ' <&3"]
CMD ["--config", "/chirp/router.yaml", "--supergraph", "/chirp/supergraph.graphql"]

# Prints Envoy's configuration, once, before the edge starts. The edge is the official Envoy image.
FROM ${PYTHON} AS edge-config
WORKDIR /app
COPY services.toml .
COPY chassis/__init__.py chassis/node_ids.py chassis/topology.py chassis/
COPY router/__init__.py router/accept.py router/edge.py router/edge.yaml router/
# A new Compose volume takes the owner of this folder.
RUN install --directory --owner 10001 --group 10001 /configuration
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "router.edge"]
