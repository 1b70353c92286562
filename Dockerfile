# The ledger in one image: docker build -t prefledger . && docker run -p 127.0.0.1:8080:8080 -v ledger:/data prefledger
FROM python:3.13-slim-trixie AS base

FROM base AS build
WORKDIR /app
COPY requirements.txt ./
# Without pip: nothing is installed into a finished image.
RUN python -m venv --without-pip .venv \
    && python -m pip --python .venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: --requirement requirements.txt
COPY prefledger ./
COPY domain domain/
COPY schemas schemas/
COPY projections projections/
COPY services services/
# The running container cannot write here, so what Python would cache at the first start is made now.
RUN python -m compileall -q --invalidation-mode unchecked-hash domain schemas projections services

FROM base
RUN groupadd --gid 10001 ledger \
    && useradd --uid 10001 --gid ledger --no-create-home --home-dir /data --shell /usr/sbin/nologin ledger \
    && install --directory --owner=ledger --group=ledger --mode=0700 /data \
    && ln -s /app/prefledger /usr/local/bin/prefledger
COPY --from=build /app /app
# SQLite sorts and rebuilds through temporary files, which can outgrow a container's /tmp.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SQLITE_TMPDIR=/data \
    PREFLEDGER_HOST=0.0.0.0 \
    PREFLEDGER_PORT=8080 \
    PREFLEDGER_DATA=/data
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# A node that folds a long log answers 503 until it has caught up; that is no failure for the first half hour.
# http.client, because urllib would send even this request to a proxy named in the environment.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30m --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PREFLEDGER_PORT']), timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "services.cli"]
CMD ["serve"]
