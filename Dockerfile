# engine-router, and Python; engines run elsewhere, or in an image made from this one.
#
#   docker build --tag engine-router .
#   docker run --init --publish 127.0.0.1:8077:8077 \
#       --volume ./config.yaml:/etc/engine-router/config.yaml:ro engine-router
#
# The configuration needs "host: 0.0.0.0": within the container, 127.0.0.1 is the container.

ARG DEBIAN=debian:bookworm-slim

FROM $DEBIAN AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && python3 -m venv /opt/engine-router
COPY . /src
RUN /opt/engine-router/bin/pip install --no-cache-dir /src \
    && /opt/engine-router/bin/pip uninstall --yes pip setuptools

FROM $DEBIAN
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10077 --home-dir /var/lib/engine-router --shell /usr/sbin/nologin \
        engine-router \
    && install --directory --mode=0700 --owner=10077 --group=10077 /var/lib/engine-router
COPY --from=build /opt/engine-router /opt/engine-router
# Nobody may write the plugin cache later.
RUN /opt/engine-router/bin/twistd --help > /dev/null
ENV PATH=/opt/engine-router/bin:$PATH \
    ROUTER_CONFIG=/etc/engine-router/config.yaml \
    XDG_STATE_HOME=/var/lib
USER engine-router
VOLUME /var/lib/engine-router
EXPOSE 8077
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s \
    CMD ["python", "-m", "ler.healthcheck"]
ENTRYPOINT ["engine-router"]
