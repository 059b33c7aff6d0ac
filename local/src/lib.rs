//! The mesh on a laptop: echo workloads, an Envoy for each, all on loopback addresses.
