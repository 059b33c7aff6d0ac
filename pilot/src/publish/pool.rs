//! What scopes share: encoded resources, and the specs of virtual hosts.
//!
//! Every scope derives for itself; most of what comes out is equal to what another scope holds already. A scope keeps its virtual
//! hosts' specs (to find them by domain, and to put route configurations together), so equal ones are held once.

use pilot_envoy::{Encode, Memo};
use pilot_view::spec::VirtualHostSpec;
use pilot_xds::resource::Resource;
use std::{cell::RefCell, collections::HashSet, sync::Arc};

/// A set is not swept before it has this many members.
const SWEEP_AT_LEAST: usize = 1024;

/// Shared by all scopes of a publisher.
#[derive(Default)]
pub struct Pool {
    memo: Memo,
    virtual_hosts: RefCell<Specs>,
}

#[derive(Default)]
struct Specs {
    held: HashSet<Arc<VirtualHostSpec>>,
    sweep_at: usize,
}

impl Pool {
    /// The resource that `spec` describes, encoded once.
    pub fn get(&self, spec: &impl Encode) -> Arc<Resource> {
        self.memo.get(spec)
    }

    /// The memo behind it.
    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    /// The spec equal to `spec` that others hold, or `spec` itself.
    pub fn share(&self, spec: Arc<VirtualHostSpec>) -> Arc<VirtualHostSpec> {
        let mut specs = self.virtual_hosts.borrow_mut();
        if let Some(known) = specs.held.get(&spec) {
            return known.clone();
        }
        if specs.held.len() >= specs.sweep_at.max(SWEEP_AT_LEAST) {
            specs.held.retain(|spec| Arc::strong_count(spec) > 1);
            // Each sweep is paid for by as many insertions as it left members.
            specs.sweep_at = specs.held.len() * 2;
        }
        specs.held.insert(spec.clone());
        spec
    }
}
