//! Specs in, encoded Envoy messages out: pure, total, memoised.
