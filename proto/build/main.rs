//! Generates Rust types from the descriptors of Envoy's API.
//!
//! In: the descriptor set that `cargo xtask setup` puts into the cache, and `roots.txt`, which says what of it is
//! wanted, and the protos in `protos/`. Out, in `OUT_DIR`: the generated modules, and the whole set for JSON and validation at run time.

#![allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]

mod own;
mod set;
mod trim;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use prost::Message;

/// Services of which clients and servers are generated; of the others only the messages are.
const SERVICES: &[&str] = &[
    "envoy/service/accesslog/v3/als.proto",
    "envoy/service/auth/v3/external_auth.proto",
    "envoy/service/discovery/v3/ads.proto",
    "envoy/service/ratelimit/v3/rls.proto",
    "envoy/service/status/v3/csds.proto",
    "istio/v1/auth/ca.proto",
];

fn main() -> ExitCode {
    match generate() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error:#}");
            ExitCode::FAILURE
        }
    }
}

fn generate() -> Result<()> {
    for variable in ["MELTEMI_ENVOY_FDS", "MELTEMI_ENVOY", "MELTEMI_CACHE", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=roots.txt");
    let set_path = envoy_fetch::descriptor_set()?;
    println!("cargo::rerun-if-changed={}", set_path.display());
    let (bytes, envoy) = set::read(&set_path)?;
    let own = own::compile(envoy.clone())?;

    // One serialised set after another is the set of both; decoding and encoding Envoy's would lose its extensions.
    let out_dir = std::env::var("OUT_DIR").context("OUT_DIR is not set")?;
    fs::write(Path::new(&out_dir).join("api.fds"), [bytes, own.encode_to_vec()].concat())?;

    let roots = fs::read_to_string("roots.txt").context("roots.txt")?;
    let imports = own.file.iter().flat_map(|file| &file.dependency).map(String::as_str);
    let mut wanted = trim::closure(envoy, trim::parse_roots(&roots).chain(imports))?;
    wanted.file.extend(own.file);
    for file in &mut wanted.file {
        if !SERVICES.contains(&file.name()) {
            file.service.clear();
        }
    }

    let mut config = prost_build::Config::new();
    config
        .compile_well_known_types()
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .bytes(["."])
        // Encoding must not depend on the order of a hash map: equal configuration gives equal bytes.
        .btree_map(["."])
        .include_file("api.rs");
    tonic_prost_build::configure().build_transport(false).compile_fds_with_config(wanted, config)?;
    Ok(())
}
