//! xDS streams: hands out bytes by name and version and remembers what each proxy has.
