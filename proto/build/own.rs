//! Compiles the few protos that are written in this repository.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use prost_types::FileDescriptorSet;
use protox::Compiler;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, IncludeFileResolver};

/// The directory of the protos, below the crate.
const DIRECTORY: &str = "protos";

/// The descriptors of the files in `protos/`; what they import comes from `api`.
pub fn compile(api: FileDescriptorSet) -> Result<FileDescriptorSet> {
    println!("cargo::rerun-if-changed={DIRECTORY}");
    let mut names = Vec::new();
    find(Path::new(DIRECTORY), &mut names)?;
    names.sort();

    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(DIRECTORY.into()));
    resolver.add(DescriptorSetFileResolver::new(api));
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(false).open_files(&names).context("protos/")?;
    Ok(compiler.file_descriptor_set())
}

fn find(directory: &Path, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            names.push(path.strip_prefix(DIRECTORY)?.display().to_string());
        }
    }
    Ok(())
}
