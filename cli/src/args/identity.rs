//! Settings of the certificate authority, by flag or by the environment variables that istiod has for them.

use std::{str::FromStr, time::Duration};

use citadel::{NodeAccount, OidcRule};
use clap::{Args, ValueEnum};
use meltemi_local::duration::parse_duration;
use mesh_pki::keys::KeyKind;

use super::signer::SignerArgs;

/// A part of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Component {
    /// Configuration for proxies
    Pilot,
    /// Certificates for workloads
    Citadel,
}

/// The certificate authority.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Certificates")]
pub struct IdentityArgs {
    /// The trust domain of the mesh
    #[arg(long, env = "TRUST_DOMAIN", value_name = "DOMAIN", default_value = "cluster.local")]
    pub trust_domain: String,
    /// Other trust domains whose certificates are taken; of a mesh that was renamed
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    pub trust_domain_alias: Vec<String>,
    /// What service account tokens must be for
    #[arg(
        long,
        env = "TOKEN_AUDIENCES",
        value_name = "AUDIENCE",
        value_delimiter = ',',
        default_value = "istio-ca"
    )]
    pub token_audience: Vec<String>,
    /// Whose other tokens are taken: JSON with `issuer`, `audiences` and `jwksUri` or `jwks`
    #[arg(long, env = "JWT_RULE", value_name = "JSON", value_parser = OidcRule::from_json)]
    pub jwt_rule: Option<OidcRule>,
    /// Service accounts of node agents, which get certificates for the workloads on their node
    #[arg(long, env = "CA_TRUSTED_NODE_ACCOUNTS", value_name = "NAMESPACE/NAME", value_delimiter = ',')]
    pub trusted_node_account: Vec<NodeAccount>,
    /// How long a workload's certificate lives unless it asks for something else
    #[arg(long, env = "DEFAULT_WORKLOAD_CERT_TTL", value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub workload_cert_ttl: Duration,
    /// The longest life that it may ask for
    #[arg(long, env = "MAX_WORKLOAD_CERT_TTL", value_name = "DURATION", default_value = "2160h", value_parser = parse_duration)]
    pub max_workload_cert_ttl: Duration,
    /// How long a self-signed root lives
    #[arg(long, env = "CITADEL_SELF_SIGNED_CA_CERT_TTL", value_name = "DURATION", default_value = "87600h", value_parser = parse_duration)]
    pub root_ttl: Duration,
    /// The key of a self-signed root: p256, p384, rsa2048 or rsa4096
    #[arg(long, value_name = "KIND", default_value = "p256", value_parser = KeyKind::from_str)]
    pub root_key: KeyKind,
    /// Who signs, if it is not this process
    #[command(flatten)]
    pub signer: SignerArgs,
}
