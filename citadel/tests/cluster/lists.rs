//! Revocation lists of a plugged-in authority: in every namespace, in effect at the authority, and in the care of whoever leads.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use citadel::{REVOCATIONS_CONFIG_MAP, REVOCATIONS_KEY};
use mesh_testkit::{ApiServer, eventually};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};

use crate::port::{self, Proof, token};

const WITHIN: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

type Root = CertifiedIssuer<'static, KeyPair>;

fn root() -> Result<Root> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "corporate");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(Root::self_signed(params, KeyPair::generate()?)?)
}

/// A list of certificates by their serial numbers, in hexadecimal.
fn list(root: &Root, number: u64, serials: &[&str]) -> Result<String> {
    let now = SystemTime::now();
    let mut revoked_certs = Vec::new();
    for serial in serials {
        let bytes = (0..serial.len()).step_by(2).map(|at| u8::from_str_radix(&serial[at..at + 2], 16));
        revoked_certs.push(RevokedCertParams {
            serial_number: SerialNumber::from(bytes.collect::<Result<Vec<u8>, _>>()?),
            revocation_time: (now - HOUR).into(),
            reason_code: None,
            invalidity_date: None,
        });
    }
    let list = CertificateRevocationListParams {
        this_update: (now - HOUR).into(),
        next_update: (now + HOUR * 24).into(),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(root)?.pem()?)
}

/// `how`: `create`, or `replace`, by which also goes what is no longer said.
async fn plug_in(
    server: &ApiServer,
    how: &str,
    namespace: &str,
    root: &Root,
    lists: Option<&str>,
) -> Result<()> {
    let (certificate, key) = (root.pem(), root.key().serialize_pem());
    let mut data = serde_json::json!({
        "ca-cert.pem": certificate,
        "ca-key.pem": key,
        "cert-chain.pem": "",
        "root-cert.pem": certificate,
    });
    if let Some(lists) = lists {
        data["ca-crl.pem"] = lists.into();
    }
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "cacerts", "namespace": namespace },
        "stringData": data,
    });
    server.kubectl_with_input(&[how, "-f", "-"], &secret.to_string()).await?;
    Ok(())
}

async fn holds(server: &ApiServer, namespace: &str, lists: &str) -> Result<()> {
    eventually(WITHIN, async || {
        let args = ["get", "configmap", REVOCATIONS_CONFIG_MAP, "-n", namespace, "-o", "json"];
        let object: serde_json::Value = serde_json::from_str(&server.kubectl(&args).await?)?;
        let text = object["data"][REVOCATIONS_KEY].as_str().context("no lists")?;
        ensure!(text == lists, "{namespace}: {text}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_in_every_namespace_and_in_effect_as_they_change() {
    // Of its own: another authority would publish other lists.
    let Some(server) = ApiServer::own().await else { return };
    let outcome = async {
        let server = &server;
        let place = &server.fresh_namespace("istio-system").await?;
        let before = &server.fresh_namespace("before").await?;
        let root = root()?;
        let first = list(&root, 1, &[])?;
        plug_in(server, "create", place, &root, Some(&first)).await?;
        let served = port::serve(port::config(server, place, "one").await?).await?;
        holds(server, before, &first).await?;

        // A certificate that is revoked is no proof any more, and its list is everywhere.
        let token = token(server, before, "web", "istio-ca").await?;
        let [good, bad] =
            [served.enrol(Proof::token(&token)).await?, served.enrol(Proof::token(&token)).await?];
        let second = list(&root, 2, &[&bad.facts().serial])?;
        plug_in(server, "replace", place, &root, Some(&second)).await?;
        holds(server, before, &second).await?;
        eventually(WITHIN, async || {
            ensure!(served.enrol(Proof::credential(&bad)).await.is_err(), "it is still proof");
            Ok(())
        })
        .await?;
        served.enrol(Proof::credential(&good)).await?;
        let after = &server.fresh_namespace("after").await?;
        holds(server, after, &second).await?;

        // The leader goes; the next one puts back what is edited.
        let next = port::serve(port::config(server, place, "two").await?).await?;
        drop(served);
        let patch = serde_json::json!({ "data": { REVOCATIONS_KEY: "" } }).to_string();
        server.kubectl(&["patch", "configmap", REVOCATIONS_CONFIG_MAP, "-n", after, "-p", &patch]).await?;
        holds(server, after, &second).await?;

        // Without lists, an empty one takes their place: agents that see nothing would go on with the last.
        plug_in(server, "replace", place, &root, None).await?;
        for namespace in [before, after] {
            holds(server, namespace, "").await?;
        }
        eventually(WITHIN, async || next.enrol(Proof::credential(&bad)).await.map(drop)).await
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
