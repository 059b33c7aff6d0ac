//! What is edited under load: a service, a rule for it, and the routes that lead there, as a user would write them.

use std::fmt::Write;

/// Where the shop and its clients are.
pub const NAMESPACE: &str = "changes";

/// All that an edit may change. Requests go to [`Shop::url`] and can be answered in every state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shop {
    /// Names the objects.
    pub name: &'static str,
    /// The service that the routes lead to.
    pub service: &'static str,
    /// Its port.
    pub port: u16,
    /// The port of its pods.
    pub target_port: u16,
    /// The subsets that the routes name, by a word in their names; `None`: the service as a whole.
    pub subsets: Option<&'static str>,
    /// Subsets that no route names.
    pub further: Option<&'static str>,
    /// The share of `v1` in the routes.
    pub weight: u8,
    /// Whether the client's Sidecar shows it nothing but what it needs.
    pub tight: bool,
}

impl Shop {
    /// How all of them begin.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            service: "first",
            port: 80,
            target_port: 8080,
            subsets: Some("blue"),
            further: None,
            weight: 50,
            tight: false,
        }
    }

    /// What clients ask for.
    pub fn url(&self) -> String {
        format!("http://{}.test/", self.name)
    }

    /// The name of the service.
    pub fn service_name(&self) -> String {
        format!("{}-{}", self.service, self.name)
    }

    /// All objects in one file, which is read as one change.
    pub fn yaml(&self) -> String {
        [self.service(), self.destination_rule(), self.virtual_service(), self.sidecar()].concat()
    }

    /// What the routes of either lead to.
    pub fn beside(&self, other: &Self) -> String {
        if self.service == other.service {
            let both = Self { further: other.subsets, ..self.clone() };
            return both.service() + &both.destination_rule();
        }
        [self.service(), self.destination_rule(), other.service(), other.destination_rule()].concat()
    }

    /// The service's own name and port.
    pub fn own_url(&self) -> String {
        format!("http://{}:{}/", self.service_name(), self.port)
    }

    /// The Service.
    pub fn service(&self) -> String {
        format!(
            "---\n\
             apiVersion: v1\n\
             kind: Service\n\
             metadata: {{name: {}, namespace: {NAMESPACE}}}\n\
             spec: {{selector: {{app: shop}}, ports: [{{name: http, port: {}, targetPort: {}}}]}}\n",
            self.service_name(),
            self.port,
            self.target_port
        )
    }

    /// Its DestinationRule.
    pub fn destination_rule(&self) -> String {
        let mut yaml = format!(
            "---\n\
             apiVersion: networking.istio.io/v1\n\
             kind: DestinationRule\n\
             metadata: {{name: {0}, namespace: {NAMESPACE}}}\n\
             spec:\n\
             \x20 host: {0}\n\
             \x20 subsets:\n",
            self.service_name()
        );
        for word in [self.subsets, self.further].into_iter().flatten() {
            for version in ["v1", "v2"] {
                // Writing to a String cannot fail.
                let _ = writeln!(yaml, "  - {{name: {word}-{version}, labels: {{version: {version}}}}}");
            }
        }
        yaml
    }

    /// Routes without retries, which would hide what a test is to find.
    pub fn virtual_service(&self) -> String {
        let Self { name, port, weight, .. } = self;
        let host = self.service_name();
        let destination = |subset: &str| format!("host: {host}, port: {{number: {port}}}{subset}");
        let routes = match self.subsets {
            None => format!("{{destination: {{{}}}}}", destination("")),
            Some(word) => format!(
                "{{destination: {{{}}}, weight: {weight}}}, {{destination: {{{}}}, weight: {}}}",
                destination(&format!(", subset: {word}-v1")),
                destination(&format!(", subset: {word}-v2")),
                100 - weight
            ),
        };
        format!(
            "---\n\
             apiVersion: networking.istio.io/v1\n\
             kind: VirtualService\n\
             metadata: {{name: {name}, namespace: {NAMESPACE}}}\n\
             spec:\n\
             \x20 hosts: [{name}.test]\n\
             \x20 http: [{{retries: {{attempts: 0}}, route: [{routes}]}}]\n"
        )
    }

    fn sidecar(&self) -> String {
        if !self.tight {
            return String::new();
        }
        let service = self.service_name();
        format!(
            "---\n\
             apiVersion: networking.istio.io/v1\n\
             kind: Sidecar\n\
             metadata: {{name: buyer, namespace: {NAMESPACE}}}\n\
             spec:\n\
             \x20 workloadSelector: {{labels: {{app: buyer}}}}\n\
             \x20 outboundTrafficPolicy: {{mode: REGISTRY_ONLY}}\n\
             \x20 egress: [{{hosts: [\"./{}.test\", \"./{service}.{NAMESPACE}.svc.cluster.local\"]}}]\n",
            self.name
        )
    }
}
