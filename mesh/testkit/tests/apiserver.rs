//! A real API server starts, keeps objects over a restart, and is shared.

use mesh_testkit::ApiServer;

#[tokio::test]
async fn objects_are_made_read_changed_and_deleted() {
    let Some(server) = ApiServer::shared().await else { return };
    let namespace = server.fresh_namespace("crud").await.unwrap();
    let config_map = |value: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {namespace}}}, data: {{k: {value}}}}}"
        )
    };
    let value = ["get", "configmap", "a", "-n", &namespace, "-o", "jsonpath={.data.k}"];

    assert_eq!(server.kubectl_apply(&config_map("one")).await.unwrap(), "configmap/a created\n");
    assert_eq!(server.kubectl(&value).await.unwrap(), "one");
    assert_eq!(server.kubectl_apply(&config_map("two")).await.unwrap(), "configmap/a configured\n");
    assert_eq!(server.kubectl(&value).await.unwrap(), "two");
    server.kubectl(&["delete", "configmap", "a", "-n", &namespace]).await.unwrap();
    let gone = server.kubectl(&value).await.unwrap_err();
    assert!(format!("{gone:#}").contains("NotFound"), "{gone:#}");
}

#[tokio::test]
async fn the_server_is_shared_and_namespaces_are_not() {
    let (Some(one), Some(two)) = tokio::join!(ApiServer::shared(), ApiServer::shared()) else { return };
    assert_eq!(one.url(), two.url());
    let (first, second) = tokio::join!(one.fresh_namespace("same"), two.fresh_namespace("same"));
    assert_ne!(first.unwrap(), second.unwrap());
}

#[tokio::test]
async fn a_restart_keeps_the_data_and_the_address() {
    let Some(server) = ApiServer::own().await else { return };
    let url = server.url();
    let namespace = server.fresh_namespace("kept").await.unwrap();

    server.kill();
    let down = server.kubectl(&["get", "namespace", &namespace]).await.unwrap_err();
    assert!(format!("{down:#}").contains("refused"), "{down:#}");
    server.restart().await.unwrap();
    server.kubectl(&["get", "namespace", &namespace]).await.unwrap();
    assert_eq!(server.url(), url);
}
