//! A proxy on one stream: bytes in, requests out.
//!
//! What the stream has read so far lives here and ends with it; what the proxy has outlives it. No IO.

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Result;

use super::board::Board;
use super::catalog::{Catalog, Kind};
use super::protocol::{Proxy, Reading, Start};
use super::request::Request;
use super::scan::Scanner;

/// One stream of a proxy.
pub struct Conversation {
    proxy: Rc<RefCell<Proxy>>,
    scanner: Scanner,
    kind: Option<Kind>,
    virtual_hosts: bool,
}

impl Conversation {
    /// A stream on which nothing was said yet.
    pub fn new(proxy: Rc<RefCell<Proxy>>) -> Self {
        Self { proxy, scanner: Scanner::default(), kind: None, virtual_hosts: false }
    }

    /// What to say first.
    pub fn open(&mut self, start: Start, catalog: &mut Catalog) -> Result<Vec<Request>> {
        self.proxy.borrow_mut().open(start, catalog)
    }

    /// Reads a piece of the body, and returns what to say to it.
    pub fn read(&mut self, chunk: &[u8], catalog: &mut Catalog, board: &Board) -> Result<Vec<Request>> {
        let Self { proxy, scanner, kind, virtual_hosts } = self;
        let mut out = Vec::new();
        let proxy = &mut *proxy.borrow_mut();
        scanner.feed(chunk, &mut Reading { proxy, catalog, board, kind, virtual_hosts, out: &mut out })?;
        Ok(out)
    }
}
