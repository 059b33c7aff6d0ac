//! What all resources have alike, which goldens leave out so that each shows what it is about.
//!
//! In: a resource as JSON. Out: the same without what is as always; a field that is always there and is missing shows as
//! `null`. `{name, typed_config: {"@type": a.b.C, ..}}` becomes `{C: {..}}`. One golden prints everything as it is.

use pilot_xds::resource::ResourceType;
use serde_json::{Map, Value, json};

/// `json` without what it has in common with all others of its type.
pub fn without(kind: ResourceType, json: Value) -> Value {
    let mut json = named_by_type(json);
    match kind {
        ResourceType::Cluster => cluster(&mut json),
        ResourceType::Endpoints | ResourceType::NameTable | ResourceType::Secret => {}
        ResourceType::Listener => listener(&mut json),
        ResourceType::Route | ResourceType::InlineRoute => route_configuration(&mut json),
        ResourceType::VirtualHost => virtual_host(&mut json),
    }
    json
}

fn cluster(json: &mut Value) {
    let name = text(json, "name");
    let most = u32::MAX;
    subtract(
        json,
        &json!({
            "?alt_stat_name": format!("{name};"),
            "circuit_breakers": {"thresholds": [
                {"max_connections": most, "max_pending_requests": most, "max_requests": most, "max_retries": most},
            ]},
            "common_lb_config": {"healthy_panic_threshold": {}},
            "connect_timeout": "10s",
            "lb_policy": "LEAST_REQUEST",
            "?eds_cluster_config": {"eds_config": ads(), "service_name": name},
            "?cleanup_interval": "60s",
        }),
    );
    secrets(json);
}

fn listener(json: &mut Value) {
    let name = text(json, "name");
    if let Some((address, port)) = name.rsplit_once('_') {
        let port: u64 = port.parse().unwrap_or_default();
        let own = json!({"socket_address": {"address": address, "port_value": port}});
        subtract(json, &json!({"address": own, "bind_to_port": false, "traffic_direction": "OUTBOUND"}));
    }
    let Value::Object(fields) = json else { return };
    let chains = match fields.get_mut("filter_chains") {
        Some(Value::Array(chains)) => chains.iter_mut().collect(),
        _ => Vec::new(),
    };
    chains.into_iter().for_each(chain);
    if let Some(default) = fields.get_mut("default_filter_chain") {
        chain(default);
    }
}

/// How a workload ends mTLS, whatever the port.
fn transport(json: &mut Value) {
    let ciphers = [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
    ];
    let ours = json!({"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/"}});
    subtract(
        json,
        &json!({
            "DownstreamTlsContext": {
                "require_client_certificate": true,
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_params": {
                        "tls_minimum_protocol_version": "TLSv1_2",
                        "tls_maximum_protocol_version": "TLSv1_3",
                        "cipher_suites": ciphers,
                    },
                    "tls_certificate_sds_secret_configs": [{"name": "default"}],
                    "combined_validation_context": {
                        "validation_context_sds_secret_config": {"name": "ROOTCA"},
                        "default_validation_context": {"match_typed_subject_alt_names": [ours]},
                    },
                },
            },
        }),
    );
}

/// Where secrets come from is the same for all of them.
fn secrets(json: &mut Value) {
    let agent = json!([{"envoy_grpc": {"cluster_name": "sds-grpc"}}]);
    let source = json!({
        "api_config_source": {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": true,
            "grpc_services": agent,
        },
        "initial_fetch_timeout": "0s",
        "resource_api_version": "V3",
    });
    match json {
        Value::Object(fields) => {
            fields.retain(|key, value| key != "sds_config" || *value != source);
            fields.values_mut().for_each(secrets);
        }
        Value::Array(items) => items.iter_mut().for_each(secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn chain(json: &mut Value) {
    if let Some(socket) = json.get_mut("transport_socket") {
        secrets(socket);
        transport(socket);
    }
    let Some(Value::Array(filters)) = json.get_mut("filters") else { return };
    for filter in filters {
        if let Some(manager) = filter.get_mut("HttpConnectionManager") {
            connection_manager(manager);
        }
        if let Some(proxy) = filter.get_mut("TcpProxy") {
            let cluster = text(proxy, "cluster");
            if !cluster.is_empty() {
                subtract(proxy, &json!({"stat_prefix": cluster}));
            }
        }
    }
}

fn connection_manager(json: &mut Value) {
    subtract(
        json,
        &json!({
            "generate_request_id": true,
            "http_filters": [{"HTTPFault": {}}, {"Cors": {}}, {"Router": {}}],
            "normalize_path": true,
            "proxy_100_continue": true,
            "?rds": {"config_source": ads()},
            "request_id_extension": {"UuidRequestIdConfig": {"use_request_id_for_trace_sampling": true}},
            "server_name": "istio-envoy",
            "stream_idle_timeout": "0s",
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "use_remote_address": false,
        }),
    );
    if let Some(routes) = json.get_mut("route_config") {
        route_configuration(routes);
    }
}

fn route_configuration(json: &mut Value) {
    subtract(
        json,
        &json!({
            "ignore_port_in_host_matching": true,
            "max_direct_response_body_size_bytes": 1_048_576,
            "validate_clusters": false,
            "?vhds": {"config_source": ads()},
        }),
    );
    if let Some(Value::Array(hosts)) = json.get_mut("virtual_hosts") {
        hosts.iter_mut().for_each(virtual_host);
    }
}

fn virtual_host(json: &mut Value) {
    subtract(json, &json!({"include_request_attempt_count": true}));
    // The resource's name is `<route configuration>/host:port`.
    let name = text(json, "name");
    let own = name.split_once('/').map_or(&*name, |(_, own)| own);
    let decorator = json!({"decorator": {"operation": format!("{own}/*")}});
    let Some(Value::Array(routes)) = json.get_mut("routes") else { return };
    for route in routes {
        if route.get("decorator") == decorator.get("decorator") {
            subtract(route, &decorator);
        }
        if let Some(action) = route.get_mut("route") {
            subtract(action, &forward());
        }
        // Which VirtualService it comes from is plain from the input.
        if let Value::Object(fields) = route {
            fields.remove("metadata");
        }
    }
}

/// What every forwarding route has.
fn forward() -> Value {
    json!({
        "max_grpc_timeout": "0s",
        "timeout": "0s",
        "retry_policy": {
            "host_selection_retry_max_attempts": "5",
            "num_retries": 2,
            "retry_host_predicate": [{"PreviousHostsPredicate": {}}],
            "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        },
    })
}

fn ads() -> Value {
    json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"})
}

fn text(json: &Value, field: &str) -> String {
    json.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Removes from `value` what it has in common with `usual`. Missing fields become `null`, unless `usual` has them with a `?`.
fn subtract(value: &mut Value, usual: &Value) {
    let (Value::Object(fields), Value::Object(usual)) = (value, usual) else { return };
    for (key, usual) in usual {
        let optional = key.strip_prefix('?');
        let key = optional.unwrap_or(key);
        match fields.get_mut(key) {
            Some(found) if found == usual => {
                fields.remove(key);
            }
            Some(found) => {
                subtract(found, usual);
                if found.as_object().is_some_and(Map::is_empty) {
                    fields.insert(key.to_owned(), json!({}));
                }
            }
            None if optional.is_none() => {
                fields.insert(key.to_owned(), Value::Null);
            }
            None => {}
        }
    }
}

/// `{name, typed_config: {"@type": "type.googleapis.com/a.b.C", ..}}` as `{C: {..}}`, everywhere.
fn named_by_type(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(named_by_type).collect(),
        Value::Object(fields) => {
            let mut fields: Map<String, Value> =
                fields.into_iter().map(|(key, value)| (key, named_by_type(value))).collect();
            if let Some(Value::String(name)) = fields.remove("@type") {
                let short = name.rsplit(['.', '/']).next().unwrap_or_default().to_owned();
                return Value::Object(Map::from_iter([(short, Value::Object(fields))]));
            }
            let only_config = fields.keys().all(|key| key == "name" || key == "typed_config");
            match fields.remove("typed_config") {
                Some(config) if only_config => config,
                Some(config) => {
                    fields.insert("typed_config".to_owned(), config);
                    Value::Object(fields)
                }
                None => Value::Object(fields),
            }
        }
        other => other,
    }
}
