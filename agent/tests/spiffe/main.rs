//! Identities from another SPIFFE agent: a Workload API made from its proto alone, over a real socket.

#![allow(clippy::unwrap_used)] // Only tests are in here.

use std::{convert::Infallible, path::Path, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response},
    routing::post,
};
use futures::StreamExt as _;
use meltemi_agent::{Identity, Workload};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use tokio::{net::UnixListener, sync::watch, time::timeout};
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Something that takes this long has gone wrong.
const TOO_LONG: Duration = Duration::from_secs(60);

const WEB: &str = "spiffe://example.org/ns/shop/sa/web";

/// An authority of a trust domain.
struct Domain {
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Domain {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![SanType::URI("spiffe://example.org".try_into().unwrap())];
        Self { root: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    /// A list of its revoked certificates, of which there is one.
    fn list(&self) -> Vec<u8> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(7_u64),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2126, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.root).unwrap().der().to_vec()
    }

    /// A response with one identity, whose certificate is for `named`.
    fn response(&self, id: &str, named: &str) -> Svid {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(named.try_into().unwrap())];
        params.is_ca = IsCa::ExplicitNoCa;
        let leaf = params.signed_by(&key, &self.root).unwrap();
        Svid {
            id: id.to_owned(),
            // The root is part of the chain here, so that there are two certificates one behind the other.
            chain: [leaf.der().as_ref(), self.root.der()].concat(),
            key: key.serialize_der(),
            bundle: self.root.der().to_vec(),
            crl: Vec::new(),
        }
    }
}

#[derive(Clone)]
struct Svid {
    id: String,
    chain: Vec<u8>,
    key: Vec<u8>,
    bundle: Vec<u8>,
    crl: Vec<Vec<u8>>,
}

impl Svid {
    /// As one message of a gRPC stream.
    fn frame(&self) -> Bytes {
        let file = protox::compile(
            [concat!(env!("CARGO_MANIFEST_DIR"), "/tests/spiffe/workload.proto")],
            [env!("CARGO_MANIFEST_DIR")],
        );
        let pool = DescriptorPool::from_file_descriptor_set(file.unwrap()).unwrap();
        let message = |name: &str| DynamicMessage::new(pool.get_message_by_name(name).unwrap());
        let mut svid = message("X509SVID");
        svid.set_field_by_name("spiffe_id", Value::String(self.id.clone()));
        svid.set_field_by_name("x509_svid", Value::Bytes(self.chain.clone().into()));
        svid.set_field_by_name("x509_svid_key", Value::Bytes(self.key.clone().into()));
        svid.set_field_by_name("bundle", Value::Bytes(self.bundle.clone().into()));
        svid.set_field_by_name("hint", Value::String("internal".to_owned()));
        let mut response = message("X509SVIDResponse");
        let lists = self.crl.iter().map(|list| Value::Bytes(list.clone().into())).collect();
        response.set_field_by_name("crl", Value::List(lists));
        response.set_field_by_name("svids", Value::List(vec![Value::Message(svid)]));
        let encoded = response.encode_to_vec();
        let length = u32::try_from(encoded.len()).unwrap();
        [&[0][..], &length.to_be_bytes(), &encoded].concat().into()
    }
}

/// A Workload API that gives what it is told to give. Nothing: it knows no identity for the workload.
fn serve(socket: &Path, gives: watch::Receiver<Option<Svid>>) -> DropGuard {
    let fetch = |State((gives, end)): State<(watch::Receiver<Option<Svid>>, CancellationToken)>,
                 headers: HeaderMap| async move {
        let fail = |code: &str| {
            Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", code)
                .body(Body::empty())
                .unwrap()
        };
        if headers.get("workload.spiffe.io").is_none_or(|value| value != "true") {
            return fail("3");
        }
        if gives.borrow().is_none() {
            return fail("7");
        }
        let frames = WatchStream::new(gives)
            .filter_map(|svid| std::future::ready(svid.map(|svid| Ok::<_, Infallible>(svid.frame()))));
        let body = Body::from_stream(frames.take_until(end.cancelled_owned()));
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    };
    let end = CancellationToken::new();
    let router =
        Router::new().route("/SpiffeWorkloadAPI/FetchX509SVID", post(fetch)).with_state((gives, end.clone()));
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(end.clone().run_until_cancelled_owned(async { axum::serve(listener, router).await }));
    end.drop_guard()
}

/// Waits for an identity with this private key.
async fn has(current: &mut watch::Receiver<Option<Identity>>, svid: &Svid) -> Identity {
    let key = pem::encode(&pem::Pem::new("PRIVATE KEY", svid.key.clone()));
    let has = |identity: &Option<Identity>| {
        identity.as_ref().is_some_and(|identity| identity.credential.key_pem() == key)
    };
    timeout(TOO_LONG, current.wait_for(has)).await.unwrap().unwrap().clone().unwrap()
}

#[tokio::test]
async fn an_identity_is_followed_and_kept_while_nobody_gives_another() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent.sock");
    let domain = Domain::new();
    let (tell, gives) = watch::channel(None);
    let workload = Workload::follow(socket.clone());
    let mut current = workload.current();

    // The other agent comes later than we do, and knows the workload later still.
    let agent = serve(&socket, gives.clone());
    let first = domain.response(WEB, WEB);
    tell.send_replace(Some(first.clone()));
    let identity = has(&mut current, &first).await;
    assert_eq!(identity.credential.facts().uris, [WEB]);
    assert_eq!(identity.trusted.roots(), [domain.root.der().clone()]);
    assert_eq!(identity.credential.chain_pem().matches("BEGIN CERTIFICATE").count(), 2);

    // What can't be used changes nothing, and what comes after it is taken over the same stream.
    let other = domain.response(WEB, "spiffe://example.org/ns/shop/sa/other");
    let broken = Svid { key: domain.response(WEB, WEB).key, ..domain.response(WEB, WEB) };
    for unusable in [other, broken, Svid { chain: vec![0x30, 0x05, 1], ..first.clone() }] {
        tell.send_replace(Some(unusable));
        tokio::task::yield_now().await;
    }
    let second = domain.response(WEB, WEB);
    tell.send_replace(Some(second.clone()));
    assert_eq!(has(&mut current, &second).await.revoked, None);

    // Lists come with an identity; one that is none makes the response unusable.
    tell.send_replace(Some(Svid { crl: vec![b"none".to_vec()], ..domain.response(WEB, WEB) }));
    tokio::task::yield_now().await;
    let listed = Svid { crl: vec![domain.list()], ..domain.response(WEB, WEB) };
    tell.send_replace(Some(listed.clone()));
    let lists = has(&mut current, &listed).await.revoked.unwrap();
    assert_eq!(lists.lists().iter().map(|list| list.to_vec()).collect::<Vec<_>>(), listed.crl);
    assert!(lists.cover(domain.root.der()));

    // The other agent is started again, with another root.
    drop(agent);
    assert!(current.borrow().is_some(), "the last one is kept");
    let third = Domain::new().response(WEB, WEB);
    tell.send_replace(Some(third.clone()));
    let _agent = serve(&socket, gives);
    has(&mut current, &third).await;
}
