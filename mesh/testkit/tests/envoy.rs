//! A real Envoy starts from a static bootstrap, serves, and says what is wrong when it can't.

use mesh_testkit::{Envoy, envoy, ports::Loopback};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A listener that answers every request itself.
fn bootstrap(address: std::net::SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "
static_resources:
  listeners:
  - name: hello
    address: {{socket_address: {{address: {ip}, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: hello
          http_filters:
          - name: router
            typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
              - match: {{prefix: /}}
                direct_response: {{status: 200, body: {{inline_string: hello from envoy}}}}
"
    )
}

#[tokio::test]
async fn serves_and_answers_its_admin_port() {
    let loopback = Loopback::claim().unwrap();
    let address = loopback.port().unwrap().release();
    let Some(envoy) = Envoy::start(&bootstrap(address)).await else { return };

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello from envoy"), "{answer}");

    assert_eq!(envoy.stat("http.hello.downstream_rq_total").await.unwrap(), 1);
    assert_eq!(envoy.stat("no.such.thing").await.unwrap(), 0);
    let dump = envoy.config_dump().await.unwrap();
    assert!(dump["configs"].to_string().contains("\"hello from envoy\""), "{dump}");
    let error = envoy.admin_get("/nothing").await.unwrap_err();
    assert!(format!("{error:#}").contains("404"), "{error:#}");
}

#[tokio::test]
async fn a_bad_bootstrap_is_told_with_envoys_words() {
    let panic = match tokio::spawn(Envoy::start("no_such_field: 1")).await {
        Ok(None) => return,
        Ok(Some(_)) => panic!("Envoy took it"),
        Err(error) => error.into_panic(),
    };
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("envoy ended: exit status") && message.contains("no_such_field"), "{message}");
}

#[tokio::test]
async fn validation_tells_good_from_bad() {
    let loopback = Loopback::claim().unwrap();
    let good = bootstrap(loopback.port().unwrap().release());
    let Some(()) = envoy::validate(&good).await.unwrap() else { return };
    let error = envoy::validate("static_resources: {clusters: [{name: a, type: 99}]}").await.unwrap_err();
    assert!(error.to_string().contains("99"), "{error}");
}
