//! The rows: what is read of each kind, and what may be taken for something that is.
//!
//! In: nothing. Out: rows. Effects are looked up where they are Envoy's configuration. A test that is named by `seen` fails without the field:
//! `MELTEMI_WITHOUT='KIND PATH' cargo test ...` tries it.

mod others;
mod pods;
mod services;

use others::{ANY, CONFIG_MAP, NAMESPACE, NODE, SECRET, SERVICE_ENTRY, WORKLOAD_ENTRY};
use pods::{DEPLOYMENT, INJECTION, POD};
use services::{SERVICE, SLICE};

/// A field of an object, or a label or an annotation.
pub struct Row {
    /// Where it stands.
    pub path: &'static str,
    /// What it says.
    pub says: &'static str,
    /// How its effect is known.
    pub how: How,
    /// A test that sends requests: its file, and its name.
    pub seen: Option<(&'static str, &'static str)>,
}

/// How an effect is known.
#[derive(Clone, Copy)]
pub enum How {
    /// A golden is another one without it; what differs at Envoy is looked up.
    Envoy,
    /// A golden is another one without it, and what differs is said here.
    Told(&'static str),
    /// A test shows it: what it does, the file, and the test.
    Test(&'static str, &'static str, &'static str),
    /// It has none, and why.
    Nothing(&'static str),
}

impl Row {
    /// The test sends requests.
    const fn seen(self, file: &'static str, test: &'static str) -> Self {
        Self { seen: Some((file, test)), ..self }
    }
}

const fn envoy(path: &'static str, says: &'static str) -> Row {
    Row { path, says, how: How::Envoy, seen: None }
}

const fn told(path: &'static str, says: &'static str, effect: &'static str) -> Row {
    Row { path, says, how: How::Told(effect), seen: None }
}

const fn test(
    path: &'static str,
    says: &'static str,
    effect: &'static str,
    (file, name): (&'static str, &'static str),
) -> Row {
    Row { path, says, how: How::Test(effect, file, name), seen: None }
}

const fn nothing(path: &'static str, says: &'static str, why: &'static str) -> Row {
    Row { path, says, how: How::Nothing(why), seen: None }
}

const KUBERNETES: &str = "tests/tests/traffic/kubernetes.rs";
/// Over both versions of IP.
const DUAL_STACK: (&str, &str) =
    ("tests/tests/traffic/redirect/dual_stack.rs", "each_address_of_a_service_leads_to_its_pods");
/// Who of them is called, and where.
const ENDPOINTS: &str = "tests/tests/traffic/kubernetes/endpoints.rs";
const OWN_PLACES: &str = "slices_and_pods_say_their_own_places";
const READY: &str = "pods_are_called_when_they_say_that_they_are_ready";
const PLACES: &str = "nodes_and_slices_say_where_endpoints_are";

/// Kinds, what is said of each, and its rows.
pub const KINDS: &[(&str, &str, &[Row])] = &[
    ("Service", "A Service of a file that nobody has given an address gets one.", SERVICE),
    ("EndpointSlice", "Where there are none of a Service in files, its pods are its endpoints.", SLICE),
    ("Pod", "One in a file without an address runs on this machine under `meltemi up`.", POD),
    (
        "Pod: what is for injection",
        "Meltemi injects no sidecars yet. Where Istio's injector does, this is between it and the agent.",
        INJECTION,
    ),
    ("Deployment", "Read from files alone: its replicas run on this machine under `meltemi up`.", DEPLOYMENT),
    ("Node", "Nothing else is read of it.", NODE),
    ("Namespace", "Nothing else is read of it.", NAMESPACE),
    ("Secret", "Read where a `credentialName` names it; `stringData` counts, too.", SECRET),
    (
        "ConfigMap",
        "The settings are read of the one that is called `istio`, in the root namespace; the others where a `credentialName` names them \
         (`configmap://`).",
        CONFIG_MAP,
    ),
    ("ServiceEntry", "Besides its [fields](api.md#serviceentry).", SERVICE_ENTRY),
    ("WorkloadEntry", "Besides its [fields](api.md#workloadentry).", WORKLOAD_ENTRY),
    ("Any kind", "Objects of every kind.", ANY),
];
