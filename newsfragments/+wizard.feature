``engine-router init`` finds the servers, programs and model files of a machine and writes a configuration that starts at once; ``engine-router`` runs the service.
