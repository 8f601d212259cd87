engine-router is a Debian package and a container, tells systemd that it is ready, alive and what it does, and takes sockets from it, so that a restart loses no client.
