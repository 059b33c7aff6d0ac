//! Tokens of issuers that a rule names (Istio's `JWT_RULE`): for whom they are, by whom, and keys that are fetched.

use citadel::{KeySource, LocalTokens, OidcRule};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tonic::Code;

use crate::{
    HOUR, code, csr,
    port::{Proof, Served, order},
    serve_with,
};

async fn ask(served: &Served, token: &str) -> Code {
    code(served, Proof::token(token), order(&csr())).await
}

/// Keys as they are published.
fn published(tokens: &LocalTokens) -> String {
    let KeySource::Inline(keys) = tokens.rule().keys else { panic!("keys that are given") };
    serde_json::to_string(&keys).unwrap()
}

/// Serves `keys` by HTTP; returns where.
async fn publish(keys: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // Whatever is asked for; the question must be read, or the answer may be lost with it.
            let _ = socket.read(&mut [0; 4096]).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{keys}",
                keys.len()
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_for_others_and_of_others_are_refused() {
    let tokens = LocalTokens::new("istio-ca").unwrap();
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let own = tokens.rule();
    let (served, _) = serve_with(|config| citadel::Config { oidc: vec![own.clone()], ..config }).await;
    assert_eq!(ask(&served, &token).await, Code::Ok);
    let other = OidcRule { audiences: vec!["somebody-else".to_owned()], ..tokens.rule() };
    let (served, _) = serve_with(|config| citadel::Config { oidc: vec![other], ..config }).await;
    assert_eq!(ask(&served, &token).await, Code::Unauthenticated, "another audience");
    let other = OidcRule { issuer: "https://another.example".to_owned(), ..tokens.rule() };
    let (served, _) = serve_with(|config| citadel::Config { oidc: vec![other], ..config }).await;
    assert_eq!(ask(&served, &token).await, Code::Unauthenticated, "another issuer");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_from_where_the_rule_says() {
    let tokens = LocalTokens::new("istio-ca").unwrap();
    let token = tokens.token("shop", "web", HOUR).unwrap();
    let at = publish(published(&tokens)).await;
    let issuer = tokens.rule().issuer;
    let rule = format!(r#"{{"issuer": "{issuer}", "audiences": ["istio-ca"], "jwksUri": "{at}/keys"}}"#);
    let rule = OidcRule::from_json(&rule).unwrap();
    let (served, _) = serve_with(|config| citadel::Config { oidc: vec![rule], ..config }).await;
    assert_eq!(ask(&served, &token).await, Code::Ok);
    let stranger = LocalTokens::new("istio-ca").unwrap().token("shop", "web", HOUR).unwrap();
    assert_eq!(ask(&served, &stranger).await, Code::Unauthenticated, "another key");

    // Nobody publishes keys there: nobody is known, and everybody may try again.
    let nowhere =
        format!(r#"{{"issuer": "{issuer}", "audiences": ["istio-ca"], "jwksUri": "http://127.0.0.1:1/"}}"#);
    let rule = OidcRule::from_json(&nowhere).unwrap();
    let (served, _) = serve_with(|config| citadel::Config { oidc: vec![rule], ..config }).await;
    assert_eq!(ask(&served, &token).await, Code::Unavailable);
    for rule in [r#"{"issuer": "a"}"#, r#"{"issuer": "a", "audiences": []}"#, "{}", "no JSON"] {
        assert!(OidcRule::from_json(rule).is_err(), "{rule}");
    }
}
