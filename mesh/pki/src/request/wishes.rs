//! What a request asks for besides a certificate of its key: of interest only to whoever hands requests on to an authority that grants
//! what they ask for.
//!
//! In: a request, and who sent it. Out: whether it asks for a certificate of exactly that identity, and for nothing else. What is not
//! understood is refused: the authority may understand it.

use rustls::pki_types::{CertificateSigningRequestDer, pem::PemObject};
use x509_parser::{
    certification_request::X509CertificationRequest,
    cri_attributes::ParsedCriAttribute,
    extensions::{GeneralName, ParsedExtension},
    oid_registry::OID_X509_ORGANIZATION_NAME,
    prelude::FromDer,
};

use crate::{Error, SpiffeId};

/// Checks that the request in `pem` asks for `identity` and for nothing else.
///
/// # Errors
/// When it asks for something else, or for more.
pub fn ask_only_for(pem: &str, identity: &SpiffeId) -> Result<(), Error> {
    let unreadable = |error: &dyn std::fmt::Display| Error::unreadable("the certificate request", error);
    let more = |what: &str| {
        Error::Mismatch(format!("the certificate request must ask for `{identity}` and nothing else: {what}"))
    };
    let der =
        CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).map_err(|error| unreadable(&error))?;
    let (_, parsed) = X509CertificationRequest::from_der(&der).map_err(|error| unreadable(&error))?;
    let info = &parsed.certification_request_info;
    for attribute in info.subject.iter_attributes() {
        // Istio's agents write an organization without a name.
        let empty = attribute.as_slice().is_empty();
        if *attribute.attr_type() != OID_X509_ORGANIZATION_NAME || !empty {
            return Err(more("it has a subject"));
        }
    }
    let [attribute] = info.attributes() else {
        return Err(more("it has no names, or several lists of them"));
    };
    let ParsedCriAttribute::ExtensionRequest(requested) = attribute.parsed_attribute() else {
        return Err(more("it has an attribute that is no list of extensions"));
    };
    let [extension] = &requested.extensions[..] else {
        return Err(more("it has other extensions than names"));
    };
    let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
        return Err(more("it has an extension other than names"));
    };
    match &names.general_names[..] {
        [GeneralName::URI(uri)] if *uri == identity.to_string() => Ok(()),
        [GeneralName::URI(uri)] => Err(more(&format!("it asks for `{}`", uri.escape_debug()))),
        _ => Err(more("it has other names, or several")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keys::{self, KeyKind},
        request::make,
    };
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyUsagePurpose, SanType};

    fn id() -> SpiffeId {
        "spiffe://d/ns/a/sa/b".parse().unwrap()
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Result<(), Error> {
        let key = keys::generate(KeyKind::P256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names.push(SanType::URI(id().to_string().try_into().unwrap()));
        change(&mut params);
        ask_only_for(&params.serialize_request(&key).unwrap().pem().unwrap(), &id())
    }

    #[test]
    fn what_agents_ask_for_is_fine() {
        let key = keys::generate(KeyKind::P384).unwrap();
        ask_only_for(&make(&key, Some(&id())).unwrap(), &id()).unwrap();
        // As Istio's agents write the subject.
        with(|params| params.distinguished_name.push(DnType::OrganizationName, "")).unwrap();
    }

    #[test]
    fn whoever_asks_for_more_gets_nothing() {
        let key = keys::generate(KeyKind::P256).unwrap();
        let other = "spiffe://d/ns/a/sa/admin".parse().unwrap();
        for (request, identity, why) in [(None, id(), "no names"), (Some(&id()), other, "asks for")] {
            let error = ask_only_for(&make(&key, request).unwrap(), &identity).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
        for (what, refused) in [
            ("a second URI", with(|params| params.subject_alt_names.push(uri("spiffe://d/ns/a/sa/c")))),
            (
                "a DNS name",
                with(|params| params.subject_alt_names.push(SanType::DnsName("a".try_into().unwrap()))),
            ),
            ("a subject", with(|params| params.distinguished_name.push(DnType::CommonName, "admin"))),
            (
                "a group",
                with(|params| params.distinguished_name.push(DnType::OrganizationName, "system:masters")),
            ),
            ("to sign", with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
            ("a usage", with(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign])),
        ] {
            assert!(refused.is_err(), "{what}");
        }
    }

    proptest! {
        #[test]
        fn no_change_of_a_request_asks_for_another(at in 0_usize..300, to in any::<u8>()) {
            let pem = make(&keys::generate(KeyKind::P256).unwrap(), Some(&id())).unwrap();
            let mut der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
            let at = at % der.len();
            der[at] = to;
            let pem = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der));
            // Whatever it is: no panic, and never for anybody else.
            let other: SpiffeId = "spiffe://d/ns/a/sa/admin".parse().unwrap();
            prop_assert!(ask_only_for(&pem, &other).is_err());
            let _ = ask_only_for(&pem, &id());
        }
    }
}
