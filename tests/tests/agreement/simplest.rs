//! The simplest mesh and request that are still explained otherwise than they go.
//!
//! In: values that can be made simpler, and two ways to look at both anew: whether they are explained as before, which costs nothing, and what an Envoy
//! makes of them. Out: what is said of the simplest pair. What is explained as before mostly goes as before; what is left then is made
//! simpler with the Envoy, as long as anybody waits for that.

use crate::seed::Simpler;
use anyhow::Result;
use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// Longer than that nobody waits for a better example.
const WITHIN: Duration = Duration::from_secs(60);

/// Makes both simpler as long as `disagree` says what is different, and gives the last that it said.
pub async fn simplest<A: Debug, B: Debug>(
    mesh: &mut Simpler<A>,
    request: &mut Simpler<B>,
    mut told: String,
    alike: impl Fn(&A, &B) -> bool,
    mut disagree: impl AsyncFnMut(A, B) -> Result<Option<String>>,
) -> String {
    let mut goes_on = mesh.simplify();
    while goes_on {
        goes_on =
            if alike(&mesh.current(), &request.current()) { mesh.simplify() } else { mesh.complicate() };
    }
    let until = Instant::now() + WITHIN;
    let mut tries = 0;
    // What cannot be tried says nothing.
    let mut look = async |mesh: A, request: B| {
        tries += 1;
        disagree(mesh, request).await.ok().flatten()
    };
    let Some(found) = look(mesh.current(), request.current()).await else {
        return format!("as it was found, since what is explained alike goes otherwise: {told}");
    };
    told = found;
    for of_mesh in [false, true] {
        let mut goes_on = if of_mesh { mesh.simplify() } else { request.simplify() };
        while goes_on && Instant::now() < until {
            let found = look(mesh.current(), request.current()).await;
            goes_on = match (&found, of_mesh) {
                (Some(_), true) => mesh.simplify(),
                (Some(_), false) => request.simplify(),
                (None, true) => mesh.complicate(),
                (None, false) => request.complicate(),
            };
            told = found.unwrap_or(told);
        }
    }
    format!("the simplest after {tries} tries: {told}")
}
