//! In: what runs. Out: how many requests each Envoy has finished, asked now and then and remembered in between.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use meltemi_local::envoy::admin::{self, Traffic};
use tokio::time::{Instant, timeout};

use crate::live::Row;

/// Numbers that change faster can't be read.
const EVERY: Duration = Duration::from_secs(1);
/// A busy Envoy shows its old number; the screen does not wait for it.
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Default)]
pub struct Numbers {
    asked: Option<Instant>,
    known: BTreeMap<SocketAddr, Traffic>,
}

impl Numbers {
    /// Puts the numbers into `rows`, after asking all Envoys at once if it is time to.
    pub async fn fill(&mut self, rows: &mut [Row]) {
        if self.asked.is_none_or(|asked| asked.elapsed() >= EVERY) {
            self.asked = Some(Instant::now());
            let asked = rows.iter().map(|row| async {
                let admin = row.entry.admin;
                (admin, timeout(PATIENCE, admin::traffic(admin)).await)
            });
            for (admin, answer) in futures::future::join_all(asked).await {
                if let Ok(Ok(traffic)) = answer {
                    self.known.insert(admin, traffic);
                }
            }
        }
        for row in rows {
            row.traffic = self.known.get(&row.entry.admin).copied();
        }
    }
}
