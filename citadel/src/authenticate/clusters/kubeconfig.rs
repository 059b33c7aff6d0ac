//! A kubeconfig from a Secret: credentials of a cluster, and nothing that would make this process run or read something.
//!
//! In: its text. Out: a client. Whoever may write Secrets is trusted with the tokens of that cluster, not with this process' files or with
//! programs in its image; so what points outside of the text is refused, as Istio does.

use kube::{
    Client, Config,
    config::{AuthInfo, Cluster, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster},
};

/// Larger ones are not read.
const MAX_BYTES: usize = 256 * 1024;

/// Why a kubeconfig is not taken. Never says what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// It can't be read.
    #[error("it is no kubeconfig: {0}")]
    Unreadable(&'static str),
    /// It has a setting that is not taken.
    #[error("`{0}` is not taken from a Secret: {1}")]
    Setting(&'static str, &'static str),
    /// Nothing can be made of it.
    #[error("no client can be made of it: {0}")]
    Unusable(String),
}

/// A client for the cluster that the current context of `written` names.
pub(super) async fn client(written: &[u8]) -> Result<Client, KubeconfigError> {
    let kubeconfig = read(written)?;
    let unusable = |error: &dyn std::fmt::Display| KubeconfigError::Unusable(error.to_string());
    let options = KubeConfigOptions::default();
    let config =
        Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))?;
    Client::try_from(config).map_err(|error| unusable(&error))
}

fn read(written: &[u8]) -> Result<Kubeconfig, KubeconfigError> {
    use KubeconfigError::{Setting, Unreadable};
    const FILE: &str = "it is a file of this process; put its content here";
    if written.len() > MAX_BYTES {
        return Err(Unreadable("it is too long"));
    }
    let text = std::str::from_utf8(written).map_err(|_| Unreadable("it is not text"))?;
    // What the reader says may quote what it read.
    let kubeconfig =
        Kubeconfig::from_yaml(text).map_err(|_| Unreadable("its YAML does not have the form"))?;
    for NamedCluster { cluster, .. } in &kubeconfig.clusters {
        let Some(Cluster { server, certificate_authority, insecure_skip_tls_verify, .. }) = cluster else {
            continue;
        };
        if certificate_authority.is_some() {
            return Err(Setting("certificate-authority", FILE));
        }
        if *insecure_skip_tls_verify == Some(true) {
            return Err(Setting("insecure-skip-tls-verify", "anybody on the way could vouch for anybody"));
        }
        if !server.as_deref().is_some_and(|server| server.starts_with("https://")) {
            return Err(Setting("server", "it must be an https:// address"));
        }
    }
    for NamedAuthInfo { auth_info, .. } in &kubeconfig.auth_infos {
        let Some(AuthInfo { token_file, client_certificate, client_key, auth_provider, exec, .. }) =
            auth_info
        else {
            continue;
        };
        for (name, file) in [
            ("tokenFile", token_file),
            ("client-certificate", client_certificate),
            ("client-key", client_key),
        ] {
            if file.is_some() {
                return Err(Setting(name, FILE));
            }
        }
        const RUN: &str = "it would be run here; use a token or a client certificate";
        if exec.is_some() {
            return Err(Setting("exec", RUN));
        }
        if auth_provider.is_some() {
            return Err(Setting("auth-provider", RUN));
        }
    }
    Ok(kubeconfig)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cluster: &str, user: &str) -> Result<Kubeconfig, KubeconfigError> {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: a, contexts: [{{name: a, context: {{cluster: a, user: a}}}}], \
             clusters: [{{name: a, cluster: {{{cluster}}}}}], users: [{{name: a, user: {{{user}}}}}]}}"
        );
        read(text.as_bytes())
    }

    #[test]
    fn what_points_outside_of_the_secret_is_refused() {
        const SERVER: &str = "server: 'https://a'";
        assert!(with(SERVER, "token: secret").is_ok());
        for (cluster, user, setting) in [
            ("server: 'http://a'", "token: secret", "server"),
            ("certificate-authority-data: ''", "token: secret", "server"),
            ("server: 'https://a', certificate-authority: /etc/a", "token: secret", "certificate-authority"),
            ("server: 'https://a', insecure-skip-tls-verify: true", "token: a", "insecure-skip-tls-verify"),
            (SERVER, "tokenFile: /etc/secret", "tokenFile"),
            (SERVER, "client-certificate: /etc/secret", "client-certificate"),
            (SERVER, "client-key: /etc/secret", "client-key"),
            (SERVER, "exec: {command: sh}", "exec"),
            (SERVER, "auth-provider: {name: gcp, config: {}}", "auth-provider"),
        ] {
            let error = with(cluster, user).unwrap_err();
            assert!(matches!(error, KubeconfigError::Setting(name, _) if name == setting), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_what_is_in_it() {
        let error = read(b"{users: [{name: a, user: {token: [very, secret]}}]}").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
