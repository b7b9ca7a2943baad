# The shop, as an image: built in one stage, run in another that holds no compiler, no pip cache and no source of fastdag.
FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md pytest_fastdag.py ./
COPY fastdag fastdag
RUN python3 -m venv /opt/venv
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check '.[metrics,redis]'

FROM python:3.12-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BIND=0.0.0.0:8000
WORKDIR /srv
COPY --from=build /opt/venv /opt/venv
COPY gunicorn.conf.py ./
COPY app app
# A number, not a name: Kubernetes can then see that it is not root. Nothing is written, so nothing is owned.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "app.main:app"]
