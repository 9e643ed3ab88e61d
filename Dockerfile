# syntax=docker/dockerfile:1
# Two stages: one that builds, with pip and its cache; one that runs, with neither.
# The base is named by its tag, which moves. Pin it where you build: docs/containers.md says how to look its digest up.
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY scripts/install ./scripts/install
COPY requirements.lock requirements-build.lock ./
RUN scripts/install --libraries /opt/nhsmail-worker
COPY pyproject.toml README.md LICENSE ./
COPY nhsmail_worker.py ./
COPY worker ./worker
COPY handlers ./handlers
COPY share ./share
RUN scripts/install /opt/nhsmail-worker \
    && /opt/nhsmail-worker/bin/python -m pip uninstall -q -y pip \
    && /opt/nhsmail-worker/bin/python -m compileall -q /opt/nhsmail-worker/lib
COPY scripts/shipped.py ./scripts/shipped.py
RUN /opt/nhsmail-worker/bin/python scripts/shipped.py sbom > /opt/nhsmail-worker/sbom.cdx.json

FROM ${PYTHON} AS run
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nhsmail-worker" \
      org.opencontainers.image.description="Watches one NHSmail mailbox over IMAP" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"
# A pinned libmagic would disappear from the archive with its next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libmagic1t64 tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 worker \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin worker \
    && install -d -m 0755 /etc/nhsmail-worker \
    && install -d -o 10001 -g 0 -m 0770 /var/lib/nhsmail-worker
COPY --from=build /opt/nhsmail-worker /opt/nhsmail-worker
ENV PATH=/opt/nhsmail-worker/bin:$PATH PYTHONDONTWRITEBYTECODE=1 NHSMAIL_CONFIG=/etc/nhsmail-worker/worker.toml
USER 10001:10001
# The journal counts the login attempts: it must outlive the container, so the worker refuses to start without a volume
# there. It isn't declared as one: engines would mount an anonymous volume, which each new container gets anew.
STOPSIGNAL SIGTERM
# Healthy unless a restart would help: never because of a rejected login. The port is that of health.listen's default.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=4 CMD ["python", "-I", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
# Process 1 takes away what has ended and has no parent left: programs of the `command` handler may leave such behind.
ENTRYPOINT ["/usr/bin/tini", "--", "nhsmail-worker"]
CMD ["run"]
