SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.attempt (
    number bigint NOT NULL,
    at double precision NOT NULL,
    cools_from double precision NOT NULL,
    kind character varying NOT NULL,
    credential character varying,
    actor character varying NOT NULL,
    outcome character varying,
    counts boolean NOT NULL,
    jitter double precision NOT NULL,
    retry_after double precision,
    said character varying,
    note character varying,
    finished_at double precision
);
COMMENT ON COLUMN public.attempt.number IS 'counts up for ever, over resets too';
COMMENT ON COLUMN public.attempt.cools_from IS 'from when the wait runs: `at`, unless the clock went back';
COMMENT ON COLUMN public.attempt.kind IS 'password, token, connection (nothing was sent), reset, or doubt';
COMMENT ON COLUMN public.attempt.credential IS 'the fingerprint of what was sent';
COMMENT ON COLUMN public.attempt.actor IS 'the replica, or the operating-system user of a command';
COMMENT ON COLUMN public.attempt.outcome IS 'succeeded, or the class of the failure; null: no answer came, which counts';
COMMENT ON COLUMN public.attempt.counts IS 'the server may have counted it against the account';
COMMENT ON COLUMN public.attempt.jitter IS 'the random share of this attempt''s wait, from 0 to 1';
COMMENT ON COLUMN public.attempt.retry_after IS 'seconds that the server asked us to wait';
COMMENT ON COLUMN public.attempt.said IS 'the server''s words, reduced to ours';
COMMENT ON COLUMN public.attempt.note IS 'a person''s reason for a reset, or what is in doubt';
CREATE TABLE public.credential (
    fingerprint character varying NOT NULL,
    first_seen_at double precision NOT NULL,
    accepted bigint
);
COMMENT ON TABLE public.credential IS 'Fingerprints of passwords: for their age, and for the four that may not come back.';
COMMENT ON COLUMN public.credential.fingerprint IS 'salted scrypt';
COMMENT ON COLUMN public.credential.accepted IS 'the number of the attempt that the server last accepted it in; null: never';
CREATE TABLE public.delivery (
    message_id integer NOT NULL,
    path character varying NOT NULL,
    handler character varying NOT NULL,
    tries integer NOT NULL,
    done_at double precision,
    reason character varying
);
COMMENT ON TABLE public.delivery IS 'One row for each handler that a message owes or has had.';
COMMENT ON COLUMN public.delivery.path IS 'clean or junk: what was done on one path is not done on the other';
CREATE TABLE public.fact (
    name character varying NOT NULL,
    value character varying NOT NULL
);
COMMENT ON TABLE public.fact IS 'Single facts: whose journal this is, paused, the last poll.';
CREATE TABLE public.folder (
    name character varying NOT NULL,
    uidvalidity bigint NOT NULL,
    uidnext bigint NOT NULL,
    seen character varying DEFAULT ''::character varying NOT NULL
);
COMMENT ON TABLE public.folder IS 'What the last good poll saw of each watched folder.';
COMMENT ON COLUMN public.folder.seen IS 'a mark of the UIDs that it showed';
CREATE TABLE public.headerless (
    folder character varying NOT NULL,
    uidvalidity bigint NOT NULL,
    uid bigint NOT NULL,
    since double precision NOT NULL
);
COMMENT ON TABLE public.headerless IS 'Messages that the server lists without a header, and of which there is no row yet.';
COMMENT ON COLUMN public.headerless.since IS 'when it was first seen';
CREATE TABLE public.intent (
    id integer NOT NULL,
    kind character varying NOT NULL,
    key character varying NOT NULL,
    reason character varying NOT NULL,
    actor character varying NOT NULL,
    at double precision NOT NULL,
    done_at double precision
);
COMMENT ON TABLE public.intent IS 'What a person asked for, for the lease holder to carry out.';
COMMENT ON COLUMN public.intent.kind IS 'release or retry';
COMMENT ON COLUMN public.intent.reason IS 'a person''s words about why; not content';
CREATE SEQUENCE public.intent_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.intent_id_seq OWNED BY public.intent.id;
CREATE TABLE public.known_sender (
    sender character varying NOT NULL,
    since double precision NOT NULL
);
COMMENT ON TABLE public.known_sender IS 'Senders whose mail was handled as clean.';
COMMENT ON COLUMN public.known_sender.sender IS 'a keyed hash of the address';
CREATE TABLE public.lease (
    name character varying NOT NULL,
    holder character varying NOT NULL,
    expires_at double precision NOT NULL
);
CREATE TABLE public.message (
    id integer NOT NULL,
    key character varying NOT NULL,
    fingerprint character varying NOT NULL,
    state character varying NOT NULL,
    path character varying,
    evidence json,
    folder character varying NOT NULL,
    uidvalidity bigint NOT NULL,
    uid bigint,
    size bigint NOT NULL,
    received_at double precision NOT NULL,
    first_seen_at double precision NOT NULL,
    tries integer NOT NULL,
    deaths integer NOT NULL,
    in_hand character varying,
    next_at double precision,
    reason character varying,
    outcome_at double precision,
    settle_to character varying,
    settled_at double precision,
    waiting_since double precision,
    missed integer NOT NULL,
    released_at double precision,
    reviewed_at double precision,
    sender character varying,
    sender_listed boolean NOT NULL
);
COMMENT ON COLUMN public.message.fingerprint IS 'the key without the look-alike''s number';
COMMENT ON COLUMN public.message.folder IS 'where the message lies, as far as we know';
COMMENT ON COLUMN public.message.uid IS 'null: somewhere in the folder';
COMMENT ON COLUMN public.message.size IS 'bytes, the server''s estimate';
COMMENT ON COLUMN public.message.received_at IS 'the server''s INTERNALDATE';
COMMENT ON COLUMN public.message.deaths IS 'the process died while this message alone was in hand';
COMMENT ON COLUMN public.message.in_hand IS 'the run that has it in hand: a suspect when that run is no more';
COMMENT ON COLUMN public.message.next_at IS 'no try before; null: now';
COMMENT ON COLUMN public.message.settle_to IS 'the folder that the outcome sends it to; null: it stays';
COMMENT ON COLUMN public.message.waiting_since IS 'since when the server shows no content, or a stand-in; null: it shows it';
COMMENT ON COLUMN public.message.missed IS 'reconciliations in a row that didn''t find it';
COMMENT ON COLUMN public.message.reviewed_at IS 'a person has looked at it';
COMMENT ON COLUMN public.message.sender IS 'a keyed hash of the sender''s address; null: it has none';
COMMENT ON COLUMN public.message.sender_listed IS 'the settings name the sender as known';
CREATE SEQUENCE public.message_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.message_id_seq OWNED BY public.message.id;
CREATE TABLE public.tally (
    state character varying NOT NULL,
    messages bigint NOT NULL
);
COMMENT ON TABLE public.tally IS 'How many messages of each state have been compacted: their rows are gone, their number is kept.';
ALTER TABLE ONLY public.intent ALTER COLUMN id SET DEFAULT nextval('public.intent_id_seq'::regclass);
ALTER TABLE ONLY public.message ALTER COLUMN id SET DEFAULT nextval('public.message_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('0002');
INSERT INTO public.attempt VALUES (1, 1767607203.744645, 1767607203.744645, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker@worker-1', 'succeeded', false, 0.522880447163332, NULL, '', 'password', 1767607203.9802644);
INSERT INTO public.attempt VALUES (2, 1767610800.67232, 1767610800.67232, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:17962', 'succeeded', false, 0.3832028846894655, NULL, '', 'password', 1767610800.7366054);
INSERT INTO public.attempt VALUES (3, 1768381200.3754098, 1768381200.3754098, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker@worker-1', 'succeeded', false, 0.8639412996611513, NULL, '', 'password', 1768381200.4508512);
INSERT INTO public.attempt VALUES (4, 1768381200.288902, 1768381200.288902, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker@worker-1', 'succeeded', false, 0.16493444954973802, NULL, '', 'password', 1768381200.3349304);
INSERT INTO public.attempt VALUES (5, 1768435200.754831, 1768435200.754831, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:19284', 'succeeded', false, 0.22269414338548743, NULL, '', 'password', 1768435200.815229);
INSERT INTO public.attempt VALUES (6, 1768507200.9155898, 1768507200.9155898, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:20027', 'succeeded', false, 0.4745683546464249, NULL, '', 'password', 1768507200.9571805);
INSERT INTO public.attempt VALUES (7, 1768557601.0326192, 1768557601.0326192, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:20580', 'succeeded', false, 0.07703078275997344, NULL, '', 'password', 1768557601.0894203);
INSERT INTO public.attempt VALUES (8, 1768636800.5972066, 1768636800.5972066, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:21206', 'succeeded', false, 0.8316811566017488, NULL, '', 'password', 1768636800.641);
INSERT INTO public.attempt VALUES (9, 1768637700.7328439, 1768637700.7328439, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:21394', 'succeeded', false, 0.2655534306813395, NULL, '', 'password', 1768637700.8191595);
INSERT INTO public.attempt VALUES (10, 1768638000.7016528, 1768638000.7016528, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:21583', 'succeeded', false, 0.777466853437012, NULL, '', 'password', 1768638000.7976654);
INSERT INTO public.attempt VALUES (11, 1768638060.7717123, 1768638060.7717123, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:21904', 'succeeded', false, 0.2729369544178709, NULL, '', 'password', 1768638060.8294742);
INSERT INTO public.attempt VALUES (12, 1768638121.0575578, 1768638121.0575578, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:22122', 'succeeded', false, 0.744149411139617, NULL, '', 'password', 1768638121.1250148);
INSERT INTO public.attempt VALUES (13, 1768638181.3365958, 1768638181.3365958, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:22394', 'succeeded', false, 0.8428997894391562, NULL, '', 'password', 1768638181.407311);
INSERT INTO public.attempt VALUES (14, 1768638240.5243459, 1768638240.5243459, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:22655', 'succeeded', false, 0.821371524254327, NULL, '', 'password', 1768638240.582962);
INSERT INTO public.attempt VALUES (15, 1768638300.8418388, 1768638300.8418388, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:23045', 'succeeded', false, 0.2899960253625855, NULL, '', 'password', 1768638300.917093);
INSERT INTO public.attempt VALUES (16, 1768638600.5136244, 1768638600.5136244, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker@worker-1', 'succeeded', false, 0.009142409431243781, NULL, '', 'password', 1768638600.595042);
INSERT INTO public.attempt VALUES (17, 1768638600.4609172, 1768638600.4609172, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker@worker-1', 'succeeded', false, 0.18495473476199042, NULL, '', 'password', 1768638600.539591);
INSERT INTO public.attempt VALUES (18, 1768638600.628697, 1768638600.628697, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker@worker-1', 'succeeded', false, 0.37723448378248503, NULL, '', 'password', 1768638600.689056);
INSERT INTO public.attempt VALUES (19, 1768639260.5391939, 1768639260.5391939, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:23936', 'succeeded', false, 0.8335040580566864, NULL, '', 'password', 1768639260.602864);
INSERT INTO public.attempt VALUES (20, 1768639380.4431624, 1768639380.4431624, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:24162', 'succeeded', false, 0.1493203631851152, NULL, '', 'password', 1768639380.4777603);
INSERT INTO public.attempt VALUES (21, 1768639440.4212897, 1768639440.4212897, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:24456', 'succeeded', false, 0.6918665783477086, NULL, '', 'password', 1768639440.4589946);
INSERT INTO public.attempt VALUES (22, 1768639440.7813275, 1768639440.7813275, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:24456', 'succeeded', false, 0.005271970873473197, NULL, '', 'password', 1768639440.8175213);
INSERT INTO public.attempt VALUES (23, 1768639441.2161345, 1768639441.2161345, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:24456', 'succeeded', false, 0.8815820984601695, NULL, '', 'password', 1768639441.2581532);
INSERT INTO public.attempt VALUES (24, 1768639500.7210648, 1768639500.7210648, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:24618', 'succeeded', false, 0.4572349312017462, NULL, '', 'password', 1768639500.7866082);
INSERT INTO public.attempt VALUES (25, 1768639560.560273, 1768639560.560273, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:25011', 'succeeded', false, 0.44312595275248046, NULL, '', 'password', 1768639560.6094296);
INSERT INTO public.attempt VALUES (26, 1768639620.5079613, 1768639620.5079613, 'password', 'password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 'worker-1:25235', 'succeeded', false, 0.03204211995992756, NULL, '', 'password', 1768639620.5527978);
INSERT INTO public.attempt VALUES (27, 1768642201.4234781, 1768642201.4234781, 'password', 'password:e72aeb5433f35dd832cb155e265831d7ab9bc524d4b851888d1fae83774a029f', 'worker@worker-1', 'rejected', true, 0.6368063694116098, NULL, '[AUTHENTICATIONFAILED] authentication failed', 'password', 1768642201.5003908);
INSERT INTO public.attempt VALUES (28, 1768654801.0438378, 1768654801.0438378, 'password', 'password:e72aeb5433f35dd832cb155e265831d7ab9bc524d4b851888d1fae83774a029f', 'worker@worker-1', 'rejected', true, 0.4499018707704484, NULL, '[AUTHENTICATIONFAILED] authentication failed', 'password', 1768654801.100193);
INSERT INTO public.attempt VALUES (29, 1768705201.4252484, 1768705201.4252484, 'password', 'password:e72aeb5433f35dd832cb155e265831d7ab9bc524d4b851888d1fae83774a029f', 'worker@worker-1', NULL, true, 0.8668856581698733, NULL, NULL, 'password', NULL);
INSERT INTO public.credential VALUES ('password:c41c00d4c8ea797013e1619c60c9bc8132d12b03c4e3c4c8e44b36ee69f70f38', 1767607203.59178, 26);
INSERT INTO public.credential VALUES ('password:e72aeb5433f35dd832cb155e265831d7ab9bc524d4b851888d1fae83774a029f', 1768642201.3528898, NULL);
INSERT INTO public.delivery VALUES (5, 'clean', 'archive', 0, 1767610801.248068, NULL);
INSERT INTO public.delivery VALUES (5, 'clean', 'ledger', 0, 1767610801.248068, NULL);
INSERT INTO public.delivery VALUES (10, 'junk', 'ledger', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (12, 'junk', 'ledger', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (19, 'junk', 'ledger', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (7, 'clean', 'archive', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (7, 'clean', 'ledger', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (16, 'clean', 'archive', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (9, 'clean', 'archive', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (9, 'clean', 'ledger', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (6, 'clean', 'archive', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (6, 'clean', 'ledger', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (13, 'clean', 'refusing', 1, NULL, 'refusing:Reject');
INSERT INTO public.delivery VALUES (20, 'clean', 'refusing', 1, NULL, 'refusing:Reject');
INSERT INTO public.delivery VALUES (14, 'clean', 'archive', 1, NULL, 'unparsed:MessageOverLimit:parts');
INSERT INTO public.delivery VALUES (21, 'junk', 'ledger', 0, 1768636800.9610052, NULL);
INSERT INTO public.delivery VALUES (8, 'clean', 'archive', 0, 1768636801.077023, NULL);
INSERT INTO public.delivery VALUES (8, 'clean', 'ledger', 0, 1768636801.077023, NULL);
INSERT INTO public.delivery VALUES (16, 'clean', 'failing', 2, NULL, 'failing:ValueError');
INSERT INTO public.delivery VALUES (22, 'clean', 'archive', 0, 1768638001.1647575, NULL);
INSERT INTO public.delivery VALUES (22, 'clean', 'ledger', 0, 1768638001.1647575, NULL);
INSERT INTO public.delivery VALUES (11, 'junk', 'ledger', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (18, 'junk', 'ledger', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (17, 'clean', 'archive', 0, 1768636800.9210336, NULL);
INSERT INTO public.delivery VALUES (17, 'clean', 'failing', 1, NULL, 'failing:ValueError');
INSERT INTO public.delivery VALUES (24, 'clean', 'archive', 0, 1768639260.8402607, NULL);
INSERT INTO public.delivery VALUES (18, 'clean', 'archive', 0, 1768639260.8402607, NULL);
INSERT INTO public.delivery VALUES (11, 'clean', 'archive', 0, 1768639260.8402607, NULL);
INSERT INTO public.delivery VALUES (11, 'clean', 'ledger', 0, 1768639260.8402607, NULL);
INSERT INTO public.delivery VALUES (24, 'clean', 'failing', 1, NULL, 'failing:ValueError');
INSERT INTO public.delivery VALUES (18, 'clean', 'failing', 1, NULL, 'failing:ValueError');
INSERT INTO public.delivery VALUES (25, 'clean', 'archive', 0, 1768639440.9083126, NULL);
INSERT INTO public.delivery VALUES (25, 'clean', 'failing', 1, NULL, 'failing:ValueError');
INSERT INTO public.delivery VALUES (26, 'junk', 'failing', 1, NULL, 'failing:ValueError');
INSERT INTO public.delivery VALUES (27, 'clean', 'archive', 0, 1768639440.95232, NULL);
INSERT INTO public.delivery VALUES (27, 'clean', 'failing', 1, NULL, 'failing:ValueError');
INSERT INTO public.delivery VALUES (37, 'clean', 'archive', 0, 1768639501.0478504, NULL);
INSERT INTO public.delivery VALUES (38, 'clean', 'archive', 0, 1768639501.0478504, NULL);
INSERT INTO public.delivery VALUES (37, 'clean', 'down', 1, NULL, 'down:ValueError');
INSERT INTO public.delivery VALUES (38, 'clean', 'down', 1, NULL, 'down:ValueError');
INSERT INTO public.delivery VALUES (39, 'clean', 'archive', 0, 1768639501.0769603, NULL);
INSERT INTO public.delivery VALUES (42, 'junk', 'ledger', 0, 1768639501.0769603, NULL);
INSERT INTO public.delivery VALUES (40, 'clean', 'archive', 0, 1768639501.0769603, NULL);
INSERT INTO public.delivery VALUES (41, 'clean', 'archive', 0, 1768639501.0769603, NULL);
INSERT INTO public.delivery VALUES (41, 'clean', 'ledger', 0, 1768639501.0769603, NULL);
INSERT INTO public.delivery VALUES (43, 'clean', 'refusing', 1, NULL, 'refusing:Reject');
INSERT INTO public.delivery VALUES (34, 'clean', 'archive', 0, 1768639620.6874294, NULL);
INSERT INTO public.delivery VALUES (34, 'clean', 'held', 0, 1768639620.6874294, NULL);
INSERT INTO public.fact VALUES ('account', 'pathology.results@nhs.net');
INSERT INTO public.fact VALUES ('login.salt', '51027436e35ea57bd6d1c9b5fa3e1ece');
INSERT INTO public.fact VALUES ('login.epoch', '7cc2cb495f1b4b22a4f492b46f2a3889');
INSERT INTO public.fact VALUES ('login.database', '7712722162989282385 16384');
INSERT INTO public.fact VALUES ('paused', '2026-01-17T08:57:00.112157+00:00 by worker@worker-1');
INSERT INTO public.fact VALUES ('login.credential', 'password:e72aeb5433f35dd832cb155e265831d7ab9bc524d4b851888d1fae83774a029f');
INSERT INTO public.fact VALUES ('login.password', 'password:e72aeb5433f35dd832cb155e265831d7ab9bc524d4b851888d1fae83774a029f');
INSERT INTO public.fact VALUES ('login.way', 'password');
INSERT INTO public.fact VALUES ('audit.head.worker-47c77ae5', '165 3bb0dcdf18af39c551b57832dd2a1d6e642b20428a17833ca13f0693dcb494f4');
INSERT INTO public.fact VALUES ('last_poll', '{"at":1768639441.3240323,"ok":true,"new":8,"good_at":1768639441.3240323,"trouble":null}');
INSERT INTO public.fact VALUES ('kept.clock', '1768435200.853535 1768557601.1424737');
INSERT INTO public.fact VALUES ('kept.upkeep', '1768557601.1937258');
INSERT INTO public.fact VALUES ('kept.configuration', '{"account.address": "d5e23ce7573e9533ce50a16ed7cd33d9", "account.host": "dcf577f02cd5de76865e328955e1067d", "account.port": "f5ae17dc515f0675ed8ffb6296ecfc91", "account.auth": "07d558bb9df51bc022c15629840c0bbe", "account.password": "cc80c80a8141a718abcff9f998a8fe12", "account.password_file": "1c6ba2011c505bccf65a8fa3ec51e84c", "account.password_file_mode": "34961f675b394ee014f35cf09e4ed2b3", "account.ca_file": "64381c56a91e483104b153094c3b4b4f", "account.connect_timeout": "0d8f73c2e10bf6a47565b9cbd4a1a52e", "account.read_timeout": "f27a797a71eb9339d0ee84973ff9ea1d", "account.oauth.tenant": "de705ee47b64b4e05a566965e7b8c780", "account.oauth.client_id": "de705ee47b64b4e05a566965e7b8c780", "account.oauth.client_secret": "cc80c80a8141a718abcff9f998a8fe12", "account.oauth.client_secret_file": "cc80c80a8141a718abcff9f998a8fe12", "account.oauth.certificate_file": "cc80c80a8141a718abcff9f998a8fe12", "account.oauth.authority": "95d7cebfa88298b7e0b6b9caf1b147ae", "account.oauth.scopes": "6b5e827d729991392f1741c93e121335", "account.oauth.refresh_ahead": "b9c4d315d902e1cf30bd790ff4d17a48", "state.dir": "b661106f6ccd71a9624bcb3c675fe5b6", "state.journal": "cc80c80a8141a718abcff9f998a8fe12", "state.journal_file": "739d3a0cf20b1f6c809634b498f12c77", "state.keep": "cb5eacb8e64dfb28ae24c8d3805d8adf", "state.ephemeral": "c1643b67f233f70b3b01f17287e225f7", "poll.every": "f27a797a71eb9339d0ee84973ff9ea1d", "poll.since": "cc80c80a8141a718abcff9f998a8fe12", "poll.folders": "684e05cdd8aa368affe588ab01f3f895", "poll.idle": "c1643b67f233f70b3b01f17287e225f7", "poll.batch_bytes": "222f4b2c16b3f34105184dd3b7fca351", "poll.batch_count": "3a6aabfa48b488dde3a393bc65c3e472", "poll.reconnect": "eb5aecfd86c9766f438c48eac0659fae", "lockout.threshold": "5d48322726a1c140248595edfa6e9963", "lockout.reserve": "5ef8efde6f96974e1d531d111c6ac656", "lockout.per_credential": "0f2ab38cf82ca6940a28a86fe565f7b3", "lockout.waits": "0bc87dc4c5867bc20aa82170157fcfba", "lockout.jitter": "c5defbabcc0449c828cb9d0f4d229b81", "lockout.token_attempts": "c515d67eeffdb1efce06b2b1505d254d", "password.policy": "6acc8ef1427c1c03e0fd9ab5a375567e", "password.max_age": "a47f589372064f0aa4e891a8c73f7bf2", "password.warn": "939a4001671663d253db9fac1175dc0a", "password.changed": "cc80c80a8141a718abcff9f998a8fe12", "junk.folder": "2b2a56f1f8781a348d1803cc0ce59cb7", "junk.handlers": "4ef25bf35af0ae8d6a2eeeeff5f439da", "junk.kinds.malware": "cc80c80a8141a718abcff9f998a8fe12", "junk.kinds.phishing": "214c93384258321c595805f8b5d9ea24", "junk.kinds.bulk": "cc80c80a8141a718abcff9f998a8fe12", "junk.kinds.spam": "cc80c80a8141a718abcff9f998a8fe12", "junk.moved_out": "6a8fe31aaa30b9e60c3001290a98a2ba", "junk.tries": "63cf0a6b4a09cda8588152d50cf66ca2", "junk.waits": "ed9fb418e89c2e32f3d540b491368bce", "junk.sources": "3fa932cbc681311640e6b952894d3ec7", "junk.categories": "cc80c80a8141a718abcff9f998a8fe12", "junk.scl": "0f2ab38cf82ca6940a28a86fe565f7b3", "junk.bcl": "68405580e1c4077bb667049a5d4d2b29", "junk.provider_hosts": "cc80c80a8141a718abcff9f998a8fe12", "junk.believe_without_provider": "c1643b67f233f70b3b01f17287e225f7", "junk.known_senders": "cc80c80a8141a718abcff9f998a8fe12", "junk.digest": "53e83181ce06ec2672ae11887a748c46", "junk.digest_zone": "b72d90492a8d9477a32548487d3a3eb1", "settle.handled": "eac1c8a0ae0f6eead1cb5f0ede213849", "settle.failed": "f50edecae32002a088902533f36e0ebc", "settle.delete_handled_after": "cc80c80a8141a718abcff9f998a8fe12", "settle.junk": "2b2a56f1f8781a348d1803cc0ce59cb7", "limits.message": "05a859dc675f95e581e114077881fd02", "limits.header_bytes": "fa2e4db3adc6c222819f3b4e8400f017", "limits.parts": "a4000253eb953fe48268d66df92794d0", "limits.depth": "e499deff793837889a6270aac63ace30", "limits.attachments": "6a1749d3d7c837cbd052f7b9656965d8", "limits.attachment": "deeb4b6f8ec12e4faa6b6ed9ec332391", "limits.expansion": "6888e43b660d23614e586c390efa367b", "limits.rtf": "c17696280bd8310b4ca901f0b8e54c5f", "limits.header_parameters": "ddcaafb82c58984ede9eee15553ea6e3", "limits.lines": "0296e35d19b8a852df2941ce31e5aba4", "limits.parsed_lines": "99dbdb1ff51fa76fe4bc41c180a0b7ce", "limits.deaths": "c515d67eeffdb1efce06b2b1505d254d", "work.threads": "28a99f2af67fbfa7ff7f6d28b1455b58", "work.grace": "81b0dc65f9207d3b795f52809ec08cac", "work.start": "f27a797a71eb9339d0ee84973ff9ea1d", "health.listen": "de705ee47b64b4e05a566965e7b8c780", "health.token": "cc80c80a8141a718abcff9f998a8fe12", "health.token_file": "cc80c80a8141a718abcff9f998a8fe12", "health.stuck_after": "253152c7e812cdad9b8afe27d5ddb374", "alerts.teams_webhook": "cc80c80a8141a718abcff9f998a8fe12", "alerts.teams_webhook_file": "cc80c80a8141a718abcff9f998a8fe12", "alerts.slack_webhook": "cc80c80a8141a718abcff9f998a8fe12", "alerts.slack_webhook_file": "cc80c80a8141a718abcff9f998a8fe12", "alerts.json_webhook": "cc80c80a8141a718abcff9f998a8fe12", "alerts.json_webhook_file": "cc80c80a8141a718abcff9f998a8fe12", "alerts.relay.host": "cc80c80a8141a718abcff9f998a8fe12", "alerts.relay.port": "156a99d4d35146e6cdeddb1aaa095c15", "alerts.relay.to": "6b5e827d729991392f1741c93e121335", "alerts.every": "ba9e8b1bda39b5f837566204afa31301", "alerts.oldest_message": "253152c7e812cdad9b8afe27d5ddb374", "alerts.again_after": "253152c7e812cdad9b8afe27d5ddb374", "audit.mirror": "34c963ff210108b3ab6cc44003c5ddb7", "audit.syslog": "818063210b080eb465f3f2a56b609963", "help.local_administrator": "b82d6f12ba7483d6866ab4a8e1d74625", "help.helpdesk": "fd4c29f9c7767f0e7390733fd1aa54ca", "help.relay_helpdesk": "5ddfe081121e5017f651ba7497155a1c", "log.level": "92769ef108eba87e8ee6a542ba664c40", "log.format": "2c5fb526a373e38ae3ee2b558d6e067c", "route.1.name": "3d7d364be5b32a77b47b235f5f36e818", "route.1.match.from": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.to": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.subject.1.glob": "4dfc61ba451c87fb45938415e809270b", "route.1.match.subject.1.regex": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.header": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.attachment": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.attachment_type": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.mismatched": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.size": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.kind": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.notice": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.protection": "cc80c80a8141a718abcff9f998a8fe12", "route.1.match.path": "cc80c80a8141a718abcff9f998a8fe12", "route.1.handlers": "ee7d48d13ed1ebad0ab4057cb5bb81c3", "route.1.continue": "975be0e257cc5c3644881fef460dd3e2", "route.1.tries": "74f17712e616dae5bbf8d7f6d476b205", "route.1.waits": "ed9fb418e89c2e32f3d540b491368bce", "route.1.order": "34c963ff210108b3ab6cc44003c5ddb7", "route.2.name": "0c6255ae2402e7606c4470b4e2be9072", "route.2.match.from": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.to": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.subject.1.glob": "0ef81c1a58b2dadc861f93f7180ba6f7", "route.2.match.subject.1.regex": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.header": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.attachment": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.attachment_type": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.mismatched": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.size": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.kind": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.notice": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.protection": "cc80c80a8141a718abcff9f998a8fe12", "route.2.match.path": "cc80c80a8141a718abcff9f998a8fe12", "route.2.handlers": "f9a5870bd14d6e3b98c9c188a3c03e1a", "route.2.continue": "975be0e257cc5c3644881fef460dd3e2", "route.2.tries": "63cf0a6b4a09cda8588152d50cf66ca2", "route.2.waits": "16ba06c02e743fa0de5556dd157cd14a", "route.2.order": "34c963ff210108b3ab6cc44003c5ddb7", "route.3.name": "5206fe13499528c835b74b43345c797b", "route.3.match.from": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.to": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.subject.1.glob": "384ab6ff4621033d3f229ee3189d819a", "route.3.match.subject.1.regex": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.header": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.attachment": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.attachment_type": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.mismatched": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.size": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.kind": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.notice": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.protection": "cc80c80a8141a718abcff9f998a8fe12", "route.3.match.path": "cc80c80a8141a718abcff9f998a8fe12", "route.3.handlers": "f21cdaf4608f3ff79fbb26d1ee64656e", "route.3.continue": "975be0e257cc5c3644881fef460dd3e2", "route.3.tries": "63cf0a6b4a09cda8588152d50cf66ca2", "route.3.waits": "ed9fb418e89c2e32f3d540b491368bce", "route.3.order": "34c963ff210108b3ab6cc44003c5ddb7", "route.4.name": "24846c253c7df12c5228a3a8864dee87", "route.4.match.from": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.to": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.subject.1.glob": "a9731a19c0c6a9c64c2282220cae63fd", "route.4.match.subject.1.regex": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.header": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.attachment": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.attachment_type": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.mismatched": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.size": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.kind": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.notice": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.protection": "cc80c80a8141a718abcff9f998a8fe12", "route.4.match.path": "cc80c80a8141a718abcff9f998a8fe12", "route.4.handlers": "e8f29a7e65ce7172e90a36e7b6d2037a", "route.4.continue": "975be0e257cc5c3644881fef460dd3e2", "route.4.tries": "63cf0a6b4a09cda8588152d50cf66ca2", "route.4.waits": "16ba06c02e743fa0de5556dd157cd14a", "route.4.order": "34c963ff210108b3ab6cc44003c5ddb7", "route.5.name": "676710c38b37e6335a547b193cf37eee", "route.5.match.from": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.to": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.subject.1.glob": "408949a70e5d0646562cf83cae6a5ee9", "route.5.match.subject.1.regex": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.header": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.attachment": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.attachment_type": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.mismatched": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.size": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.kind": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.notice": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.protection": "cc80c80a8141a718abcff9f998a8fe12", "route.5.match.path": "cc80c80a8141a718abcff9f998a8fe12", "route.5.handlers": "ee7d48d13ed1ebad0ab4057cb5bb81c3", "route.5.continue": "975be0e257cc5c3644881fef460dd3e2", "route.5.tries": "63cf0a6b4a09cda8588152d50cf66ca2", "route.5.waits": "ed9fb418e89c2e32f3d540b491368bce", "route.5.order": "c4c9010ebecfbfb49a1a9b321712dcb3", "route.6.name": "b20a7a8d5c6d6a5a57c6e2232ef9ce0c", "route.6.match.from": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.to": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.subject.1.glob": "f5bd2be0c1121653b3d4a6c0cef67d93", "route.6.match.subject.1.regex": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.header": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.attachment": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.attachment_type": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.mismatched": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.size": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.kind": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.notice": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.protection": "cc80c80a8141a718abcff9f998a8fe12", "route.6.match.path": "cc80c80a8141a718abcff9f998a8fe12", "route.6.handlers": "941a80b4c3966e8cdf3ae14c8eb20c4b", "route.6.continue": "975be0e257cc5c3644881fef460dd3e2", "route.6.tries": "63cf0a6b4a09cda8588152d50cf66ca2", "route.6.waits": "16ba06c02e743fa0de5556dd157cd14a", "route.6.order": "34c963ff210108b3ab6cc44003c5ddb7", "route.7.name": "7ceae4de9aeb410892b96639898a331f", "route.7.match": "cc80c80a8141a718abcff9f998a8fe12", "route.7.handlers": "c5482165f9ab2cf994063ad427649642", "route.7.continue": "975be0e257cc5c3644881fef460dd3e2", "route.7.tries": "63cf0a6b4a09cda8588152d50cf66ca2", "route.7.waits": "16ba06c02e743fa0de5556dd157cd14a", "route.7.order": "34c963ff210108b3ab6cc44003c5ddb7", "handler.archive.use": "de705ee47b64b4e05a566965e7b8c780", "handler.archive.isolate": "975be0e257cc5c3644881fef460dd3e2", "handler.archive.time_limit": "e18ade9d5830b1e8393b9a52101558be", "handler.archive.memory": "1cd43256bbbcab7dd0c40af398494f83", "handler.archive.concurrency": "cc80c80a8141a718abcff9f998a8fe12", "handler.archive.pause_after": "63cf0a6b4a09cda8588152d50cf66ca2", "handler.archive.pauses": "dd6fd024357036a1d325f62b5cf265d2", "handler.archive.url": "4fc6e48af7c8033b67a4ab38bffb3a04", "handler.ledger.use": "9599592023c7e1e09be761056734898e", "handler.ledger.isolate": "975be0e257cc5c3644881fef460dd3e2", "handler.ledger.time_limit": "e18ade9d5830b1e8393b9a52101558be", "handler.ledger.memory": "1cd43256bbbcab7dd0c40af398494f83", "handler.ledger.concurrency": "cc80c80a8141a718abcff9f998a8fe12", "handler.ledger.pause_after": "63cf0a6b4a09cda8588152d50cf66ca2", "handler.ledger.pauses": "dd6fd024357036a1d325f62b5cf265d2", "handler.ledger.file": "b8e35e9ae21989e6be3021d02b1a1602", "handler.held.use": "9599592023c7e1e09be761056734898e", "handler.held.isolate": "975be0e257cc5c3644881fef460dd3e2", "handler.held.time_limit": "e18ade9d5830b1e8393b9a52101558be", "handler.held.memory": "1cd43256bbbcab7dd0c40af398494f83", "handler.held.concurrency": "cc80c80a8141a718abcff9f998a8fe12", "handler.held.pause_after": "63cf0a6b4a09cda8588152d50cf66ca2", "handler.held.pauses": "dd6fd024357036a1d325f62b5cf265d2", "handler.held.file": "b8e35e9ae21989e6be3021d02b1a1602", "handler.held.hold": "643a0a6e0ff2cf37b5ba745debf15c5e", "handler.failing.use": "03c559a29c2761b4ccd76f0e653413ac", "handler.failing.isolate": "975be0e257cc5c3644881fef460dd3e2", "handler.failing.time_limit": "e18ade9d5830b1e8393b9a52101558be", "handler.failing.memory": "1cd43256bbbcab7dd0c40af398494f83", "handler.failing.concurrency": "cc80c80a8141a718abcff9f998a8fe12", "handler.failing.pause_after": "63cf0a6b4a09cda8588152d50cf66ca2", "handler.failing.pauses": "dd6fd024357036a1d325f62b5cf265d2", "handler.refusing.use": "03c559a29c2761b4ccd76f0e653413ac", "handler.refusing.isolate": "975be0e257cc5c3644881fef460dd3e2", "handler.refusing.time_limit": "e18ade9d5830b1e8393b9a52101558be", "handler.refusing.memory": "1cd43256bbbcab7dd0c40af398494f83", "handler.refusing.concurrency": "cc80c80a8141a718abcff9f998a8fe12", "handler.refusing.pause_after": "63cf0a6b4a09cda8588152d50cf66ca2", "handler.refusing.pauses": "dd6fd024357036a1d325f62b5cf265d2", "handler.refusing.how": "9cf16cb16d92ef50b0199488a88b1356", "handler.down.use": "03c559a29c2761b4ccd76f0e653413ac", "handler.down.isolate": "975be0e257cc5c3644881fef460dd3e2", "handler.down.time_limit": "e18ade9d5830b1e8393b9a52101558be", "handler.down.memory": "1cd43256bbbcab7dd0c40af398494f83", "handler.down.concurrency": "23a5bc22963b3ef1d9de13bd71f7a25f", "handler.down.pause_after": "74f17712e616dae5bbf8d7f6d476b205", "handler.down.pauses": "7635557118136981e574f7cde78a9668", "handler.poison.use": "8097f3eb8ae25d5fd9ad04665313a25e", "handler.poison.isolate": "975be0e257cc5c3644881fef460dd3e2", "handler.poison.time_limit": "e18ade9d5830b1e8393b9a52101558be", "handler.poison.memory": "1cd43256bbbcab7dd0c40af398494f83", "handler.poison.concurrency": "cc80c80a8141a718abcff9f998a8fe12", "handler.poison.pause_after": "63cf0a6b4a09cda8588152d50cf66ca2", "handler.poison.pauses": "dd6fd024357036a1d325f62b5cf265d2"}');
INSERT INTO public.folder VALUES ('INBOX', 1795758214, 32, '0bf3d7d4baa8701dab4b40701d236148');
INSERT INTO public.folder VALUES ('Junk Email', 1795758211, 8, '8275f9fe8b03a95f381884671e257278');
INSERT INTO public.headerless VALUES ('INBOX', 1795758214, 44, 1768639620.6429613);
INSERT INTO public.headerless VALUES ('INBOX', 1795758214, 45, 1768639620.6429613);
INSERT INTO public.intent VALUES (1, 'release', 'adynpbz2a4fn4xgnpshz7pzklu', 'known to us', 'worker@worker-1', 1768638600.1293228, 1768638600.6411033);
INSERT INTO public.intent VALUES (2, 'release', 'gzlnpmzgx5yetua6nn5d4rukos', 'known to us', 'worker@worker-1', 1768638600.1293228, 1768638600.6411033);
INSERT INTO public.intent VALUES (3, 'retry', '4duknx2rf5havx7u4mrearaqjm', 'repaired', 'worker@worker-1', 1768638600.096229, 1768638600.8000414);
INSERT INTO public.intent VALUES (4, 'release', 'elf4l6b4lir3nsq6hdvzvr5uzo', 'expected by the ward', 'worker@worker-1', 1768640220.1325376, NULL);
INSERT INTO public.intent VALUES (5, 'retry', 'jew53uhgnuc7snjfv65s4ulacq', 'repaired', 'worker@worker-1', 1768640220.0633485, NULL);
INSERT INTO public.known_sender VALUES ('02a4fcbcb24124097e5718555604705d', 1767610801.248068);
INSERT INTO public.known_sender VALUES ('103a72e040ee2168919a690e1497a673', 1767610801.248068);
INSERT INTO public.known_sender VALUES ('599af4b001017504e0c59b81d3f7bf8f', 1768636800.9210336);
INSERT INTO public.known_sender VALUES ('b203f3780fd920453625984868968041', 1768636800.9210336);
INSERT INTO public.known_sender VALUES ('b72e86ec233c26e3e25962c4c4b64bdb', 1768636800.9210336);
INSERT INTO public.known_sender VALUES ('4bd6794e997f5d10b513985e000d1132', 1768638001.1647575);
INSERT INTO public.known_sender VALUES ('22555be41210c0f9050afb59e7cbd4ee', 1768639260.8402607);
INSERT INTO public.known_sender VALUES ('fa2691c7b445ee6734e3d7e33bd90960', 1768639501.0769603);
INSERT INTO public.known_sender VALUES ('8d2338511e45748afe49618bca812eec', 1768639620.6874294);
INSERT INTO public.lease VALUES ('work', 'worker-1:25235:5c719d', 1768705220);
INSERT INTO public.message VALUES (1, 's5ayyrfkruqajotm7vm4eso2xk', 's5ayyrfkruqajotm7vm4eso2xk', 'junk', 'junk', '[["placement", null, "junk-folder", "it lies in the junk folder", true]]', 'Junk Email', 1795758211, 1, 285, 1767607200, 1767607204.2120016, 0, 0, NULL, NULL, 'rebuilt', 1767607204.2120016, NULL, 1767607204.2120016, NULL, 0, NULL, NULL, NULL, false);
INSERT INTO public.message VALUES (2, 'hgj74aarmqtvwnqbknja562rao', 'hgj74aarmqtvwnqbknja562rao', 'handled', 'clean', '[]', 'Processed', 1795758212, 1, 285, 1767607200, 1767607204.2120016, 0, 0, NULL, NULL, 'rebuilt', 1767607204.2120016, NULL, 1767607204.2120016, NULL, 0, NULL, NULL, NULL, false);
INSERT INTO public.message VALUES (3, 'unaabljusfeixtp4pkg4bsaq4f', 'unaabljusfeixtp4pkg4bsaq4f', 'failed', 'clean', '[]', 'Failed', 1795758213, 1, 285, 1767607200, 1767607204.2120016, 0, 0, NULL, NULL, 'rebuilt', 1767607204.2120016, NULL, 1767607204.2120016, NULL, 0, NULL, NULL, NULL, false);
INSERT INTO public.message VALUES (21, 'hwn2nxeyr2fflgoaayuipxni5a', 'hwn2nxeyr2fflgoaayuipxni5a', 'junk', 'junk', '[["placement", null, "junk-folder", "it lies in the junk folder", true]]', 'Junk Email', 1795758211, 2, 290, 1768636800, 1768636800.750571, 1, 0, NULL, NULL, NULL, 1768636800.9610052, NULL, 1768636800.9610052, NULL, 0, NULL, NULL, 'adfa155672aed9e7f67c5db6a46c5833', false);
INSERT INTO public.message VALUES (15, 'wwaawpjhh6s3k5bqijcz3mhmsh', 'wwaawpjhh6s3k5bqijcz3mhmsh', 'failed', 'clean', '[]', 'Failed', 1795758213, 4, 11390, 1768636800, 1768636800.713274, 0, 0, NULL, NULL, 'oversize', 1768636800.827501, 'Failed', 1768636800.9922137, NULL, 0, NULL, NULL, 'd2943406c0918aa0d842de23b8b49627', false);
INSERT INTO public.message VALUES (13, 'zvwiav7aqfmjjccfeoapplww4f', 'zvwiav7aqfmjjccfeoapplww4f', 'failed', 'clean', '[]', 'Failed', 1795758213, 2, 291, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, 'refusing:Reject', 1768636800.9210336, 'Failed', 1768636800.9922137, NULL, 0, NULL, NULL, 'abf4122817d5fa0caab9da953af3899e', false);
INSERT INTO public.message VALUES (20, 'jew53uhgnuc7snjfv65s4ulacq', 'jew53uhgnuc7snjfv65s4ulacq', 'failed', 'clean', '[]', 'Failed', 1795758213, 5, 291, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, 'refusing:Reject', 1768636800.9210336, 'Failed', 1768636800.9922137, NULL, 0, NULL, NULL, '7bbc2bb19a72ed9f66e951808f581caf', false);
INSERT INTO public.message VALUES (5, 'xn2gpnf42o3blfykphchxfk44g', 'xn2gpnf42o3blfykphchxfk44g', 'handled', 'clean', '[]', 'Processed', 1795758212, NULL, 285, 1767610800, 1767610800.8186893, 1, 0, NULL, NULL, 'deleted', 1767610801.248068, 'Processed', 1767610801.2863624, NULL, 0, NULL, NULL, '02a4fcbcb24124097e5718555604705d', false);
INSERT INTO public.message VALUES (26, 'qytw2clsmf3nmduxcbocdgpe5n', 'qytw2clsmf3nmduxcbocdgpe5n', 'pending', 'junk', '[["exchange", "X-Forefront-Antispam-Report", "SCL:9", "the spam confidence level reaches the threshold", true], ["exchange", "X-Forefront-Antispam-Report", "SFV:SPM", "Exchange''s content filter found spam", true], ["exchange", "X-Forefront-Antispam-Report", "CAT:PHSH", "Exchange gave it a category that counts as junk", true]]', 'INBOX', 1795758214, 25, 357, 1768639440, 1768639440.5295846, 1, 0, NULL, 1768640040.9268694, 'failing:ValueError', NULL, NULL, NULL, NULL, 0, NULL, NULL, '1f8da8f27899b92ba6918b4c47908dc5', false);
INSERT INTO public.message VALUES (28, 'cwkod3w2zm2wgd3u4hboj2o5k3', 'cwkod3w2zm2wgd3u4hboj2o5k3', 'pending', 'clean', '[]', 'INBOX', 1795758214, 27, 291, 1768639440, 1768639440.5295846, 0, 0, NULL, 1768639741.3165526, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 'a5cd11d4ba5d03081185e0a32c8b62ad', false);
INSERT INTO public.message VALUES (25, 'xkvfwbvw5iepcpqcugoyxhjoz6', 'xkvfwbvw5iepcpqcugoyxhjoz6', 'pending', 'clean', '[]', 'INBOX', 1795758214, 24, 289, 1768639440, 1768639440.5295846, 1, 0, NULL, 1768640040.9083126, 'failing:ValueError', NULL, NULL, NULL, NULL, 0, NULL, NULL, '0c50787406f0c90b759438d875c4b5c1', false);
INSERT INTO public.message VALUES (14, '5drqtjb3njntm6bu5t2oktrqew', '5drqtjb3njntm6bu5t2oktrqew', 'failed', 'clean', '[]', 'Failed', 1795758213, 3, 4338, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, 'unparsed:MessageOverLimit:parts', 1768636800.9210336, 'Failed', 1768636800.9922137, NULL, 0, NULL, NULL, 'febd34f8ff97e2e8c5af86eed4d4aece', false);
INSERT INTO public.message VALUES (10, 'ymyu3sj3llq3ujfezml3huuzav', 'ymyu3sj3llq3ujfezml3huuzav', 'junk', 'junk', '[["spamassassin", "X-Spam-Flag", "Yes", "SpamAssassin found spam", true]]', 'Junk Email', 1795758211, 3, 308, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, NULL, 1768636800.9210336, 'Junk Email', 1768636801.0115054, NULL, 0, NULL, NULL, '816a3dc2928c32679463a8109fc066e5', false);
INSERT INTO public.message VALUES (19, 'elf4l6b4lir3nsq6hdvzvr5uzo', 'elf4l6b4lir3nsq6hdvzvr5uzo', 'junk', 'junk', '[["spamassassin", "X-Spam-Flag", "Yes", "SpamAssassin found spam", true]]', 'Junk Email', 1795758211, 7, 308, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, NULL, 1768636800.9210336, 'Junk Email', 1768636801.0115054, NULL, 0, NULL, NULL, 'f5d1f69521470cf237ed54a470fabb89', false);
INSERT INTO public.message VALUES (7, 'md5pf255sv2gac3wwkh5oybjoe', 'md5pf255sv2gac3wwkh5oybjoe', 'handled', 'clean', '[]', 'Processed', 1795758212, 5, 285, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, NULL, 1768636800.9210336, 'Processed', 1768636801.0237012, NULL, 0, NULL, NULL, '599af4b001017504e0c59b81d3f7bf8f', false);
INSERT INTO public.message VALUES (12, 'edfxs7ij2nu7rdbvmezbbdptwm', 'edfxs7ij2nu7rdbvmezbbdptwm', 'junk', 'junk', '[["spamassassin", "X-Spam-Flag", "Yes", "SpamAssassin found spam", true]]', 'Junk Email', 1795758211, 5, 308, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, NULL, 1768636800.9210336, 'Junk Email', 1768636801.0115054, NULL, 0, NULL, 1768638600.7372913, '1bafe8cf335ad50d6610312f9d17acd6', false);
INSERT INTO public.message VALUES (8, 'md5pf255sv2gac3wwkh5oybjoe-2', 'md5pf255sv2gac3wwkh5oybjoe', 'handled', 'clean', '[]', 'Processed', 1795758212, 7, 285, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, NULL, 1768636801.077023, 'Processed', 1768636801.0973291, NULL, 0, NULL, NULL, '599af4b001017504e0c59b81d3f7bf8f', false);
INSERT INTO public.message VALUES (16, 'lwh3m2ooymhqthtgp2x62y32fi', 'lwh3m2ooymhqthtgp2x62y32fi', 'failed', 'clean', '[]', 'Failed', 1795758213, 6, 289, 1768636800, 1768636800.713274, 2, 0, NULL, NULL, 'failing:ValueError', 1768637701.003302, 'Failed', 1768637701.0832121, NULL, 0, NULL, NULL, '0c65bb32d44254180bc87400198ba9ac', false);
INSERT INTO public.message VALUES (17, '4duknx2rf5havx7u4mrearaqjm', '4duknx2rf5havx7u4mrearaqjm', 'pending', 'clean', '[]', 'INBOX', 1795758214, 22, 289, 1768636800, 1768636800.713274, 1, 0, NULL, 1768639860.7467275, 'failing:ValueError', NULL, NULL, NULL, NULL, 0, NULL, NULL, 'f6af5ebb6587fcff4ade736bd9ed8a3d', false);
INSERT INTO public.message VALUES (18, 'gzlnpmzgx5yetua6nn5d4rukos', 'gzlnpmzgx5yetua6nn5d4rukos', 'pending', 'clean', '[["spamassassin", "X-Spam-Flag", "Yes", "SpamAssassin found spam", true], ["release", null, "released", "a person said that it is clean", false]]', 'INBOX', 1795758214, 21, 307, 1768636800, 1768636800.713274, 1, 0, NULL, 1768639860.8402607, 'failing:ValueError', NULL, NULL, NULL, NULL, 0, 1768638600.6071074, NULL, '9c35c8e1325f689feffba80311996848', false);
INSERT INTO public.message VALUES (11, 'adynpbz2a4fn4xgnpshz7pzklu', 'adynpbz2a4fn4xgnpshz7pzklu', 'handled', 'clean', '[["spamassassin", "X-Spam-Flag", "Yes", "SpamAssassin found spam", true], ["release", null, "released", "a person said that it is clean", false]]', 'Processed', 1795758212, 9, 308, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, NULL, 1768639260.8402607, 'Processed', 1768639260.8849192, NULL, 0, 1768638600.5925357, NULL, '22555be41210c0f9050afb59e7cbd4ee', false);
INSERT INTO public.message VALUES (9, 'iemoxvhyidxh7cgcsjusgtzjjl', 'iemoxvhyidxh7cgcsjusgtzjjl', 'handled', 'clean', '[]', 'Processed', 1795758212, 6, 285, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, NULL, 1768636800.9210336, 'Processed', 1768636801.0237012, NULL, 0, NULL, NULL, 'b203f3780fd920453625984868968041', false);
INSERT INTO public.message VALUES (6, 'nogehalfjsz2lyn5lpylgayluw', 'nogehalfjsz2lyn5lpylgayluw', 'handled', 'clean', '[]', 'Processed', 1795758212, 4, 505, 1768636800, 1768636800.713274, 1, 0, NULL, NULL, NULL, 1768636800.9210336, 'Processed', 1768636801.0237012, NULL, 0, NULL, NULL, 'b72e86ec233c26e3e25962c4c4b64bdb', false);
INSERT INTO public.message VALUES (22, '3sihnfuaoxw4yzhx4t74pnicql', '3sihnfuaoxw4yzhx4t74pnicql', 'handled', 'clean', '[]', 'Processed', 0, NULL, 285, 1768638000, 1768638001.0200272, 1, 0, NULL, NULL, NULL, 1768638001.1647575, 'Processed', 1768638001.235928, NULL, 0, NULL, NULL, '4bd6794e997f5d10b513985e000d1132', false);
INSERT INTO public.message VALUES (33, 'nfauh4gteoxnxm7kbcm5acif2i', 'nfauh4gteoxnxm7kbcm5acif2i', 'pending', 'clean', '[]', 'INBOX', 1795758214, 32, 288, 1768639500, 1768639500.9258573, 2, 1, 'suspect', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, '441513540a9b744960bf6d683c18b219', false);
INSERT INTO public.message VALUES (36, 'wajcusyf5hbquzuuv7ocbjtpbz', 'wajcusyf5hbquzuuv7ocbjtpbz', 'pending', 'clean', '[]', 'INBOX', 1795758214, 35, 288, 1768639500, 1768639500.9258573, 1, 0, 'worker-1:24618', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 'e3d3f71099ac10e41bd5b2192cd5c547', false);
INSERT INTO public.message VALUES (34, 't6jovw3vdzxlj3b3akyvfknft2', 't6jovw3vdzxlj3b3akyvfknft2', 'handled', 'clean', '[]', 'INBOX', 1795758214, 33, 288, 1768639500, 1768639500.9258573, 2, 0, NULL, NULL, NULL, 1768639620.6874294, 'Processed', NULL, NULL, 0, NULL, NULL, '8d2338511e45748afe49618bca812eec', false);
INSERT INTO public.message VALUES (27, '55ssgpq5qlpxl6upso5upoyjq4', '55ssgpq5qlpxl6upso5upoyjq4', 'pending', 'clean', '[]', 'INBOX', 1795758214, 26, 291, 1768639440, 1768639440.5295846, 1, 0, NULL, 1768640040.95232, 'failing:ValueError', NULL, NULL, NULL, NULL, 0, NULL, NULL, 'a5cd11d4ba5d03081185e0a32c8b62ad', false);
INSERT INTO public.message VALUES (35, 'nwib5r3aomhx6zh5xwjrwrdp7e', 'nwib5r3aomhx6zh5xwjrwrdp7e', 'pending', 'clean', '[]', 'INBOX', 1795758214, 34, 288, 1768639500, 1768639500.9258573, 2, 0, 'alone worker-1:25235', NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 'e8c3fd9ef729a14d5df114bf6ca7431e', false);
INSERT INTO public.message VALUES (29, 'ywoihpje2uz3szwxrshgdddbdt', 'ywoihpje2uz3szwxrshgdddbdt', 'pending', 'clean', '[]', 'INBOX', 1795758214, 28, 290, 1768639440, 1768639440.5295846, 0, 0, NULL, 1768639740.9663355, 'not-ready', NULL, NULL, NULL, 1768639440.9663355, 0, NULL, NULL, 'b870d5a59a02082b98087377e499ad60', false);
INSERT INTO public.message VALUES (23, 'nhnf6ggmfbvg3dn4yhhulizkp3', 'nhnf6ggmfbvg3dn4yhhulizkp3', 'failed', 'clean', '[]', 'Failed', 1795758213, 8, 306, 1768638000, 1768638060.9403577, 4, 3, NULL, NULL, 'poison', 1768638301.036695, 'Failed', 1768638301.071653, NULL, 0, NULL, NULL, 'a39ccbd64a744f3904891b16d188886f', false);
INSERT INTO public.message VALUES (30, 'tjqes7dcpmozi57e6nzqtrqhbz', 'tjqes7dcpmozi57e6nzqtrqhbz', 'pending', 'clean', '[]', 'INBOX', 1795758214, 29, 306, 1768639440, 1768639440.5295846, 0, 0, NULL, 1768640040.9776876, 'stand-in:retrieval-failed', NULL, NULL, NULL, 1768639440.9776876, 0, NULL, NULL, 'c175cfbef6ae3e1725cc748b7a3d4d47', false);
INSERT INTO public.message VALUES (31, 'oa6ltbdjkjisinxoc5ff6ammmj', 'oa6ltbdjkjisinxoc5ff6ammmj', 'pending', 'clean', '[]', 'INBOX', 1795758214, 30, 306, 1768639440, 1768639440.5295846, 0, 0, NULL, 1768640040.9877274, 'stand-in:retrieval-failed', NULL, NULL, NULL, 1768639440.9877274, 0, NULL, NULL, '2b0b8cfaced0900e040a86cdd5cf3679', false);
INSERT INTO public.message VALUES (24, '5fcx7y73xsrdiebbtrsp4ogwph', '5fcx7y73xsrdiebbtrsp4ogwph', 'gone', 'clean', '[]', 'INBOX', 1795758214, 23, 289, 1768639260, 1768639260.6904778, 1, 0, NULL, 1768639860.8402607, 'taken-away', 1768639380.5918798, NULL, 1768639380.5918798, NULL, 0, NULL, NULL, '60d366ee8241738346a6906b75b202ab', false);
INSERT INTO public.message VALUES (32, 'gym3ryrs32dddvlsugyq3luapp', 'gym3ryrs32dddvlsugyq3luapp', 'pending', 'clean', '[]', 'INBOX', 1795758214, 31, 290, 1768639440, 1768639440.5295846, 0, 0, NULL, 1768639740.9987092, 'fetch-broken', NULL, NULL, NULL, 1768639440.9987092, 0, NULL, NULL, 'f069b505d024be6a1ce73d604334d82a', false);
INSERT INTO public.message VALUES (37, 'quikrhizdw2w7q75stau2qm32l', 'quikrhizdw2w7q75stau2qm32l', 'pending', 'clean', '[]', 'INBOX', 1795758214, 36, 288, 1768639500, 1768639500.9258573, 1, 0, NULL, 1768640101.0478504, 'down:ValueError', NULL, NULL, NULL, NULL, 0, NULL, NULL, 'a7ce7b0a0502e3f0f4da286a7c1b7c15', false);
INSERT INTO public.message VALUES (38, 'v4och6ucmq6olbx6mvrjrv4uz5', 'v4och6ucmq6olbx6mvrjrv4uz5', 'pending', 'clean', '[]', 'INBOX', 1795758214, 37, 288, 1768639500, 1768639500.9258573, 1, 0, NULL, 1768640101.0478504, 'down:ValueError', NULL, NULL, NULL, NULL, 0, NULL, NULL, '81ccf551a348a6c7781a01944a3f1079', false);
INSERT INTO public.message VALUES (42, '2ahgnssudr5xfk3flpb5xdezn2', '2ahgnssudr5xfk3flpb5xdezn2', 'junk', 'junk', '[["spamassassin", "X-Spam-Flag", "Yes", "SpamAssassin found spam", true]]', 'INBOX', 1795758214, 41, 308, 1768639500, 1768639500.9258573, 1, 0, NULL, NULL, NULL, 1768639501.0769603, 'Junk Email', NULL, NULL, 0, NULL, NULL, 'e97474cfb71a6f4feb92dd2d55d768e3', false);
INSERT INTO public.message VALUES (41, '7awzzqyiegwtec7eaoxk2zud6u', '7awzzqyiegwtec7eaoxk2zud6u', 'handled', 'clean', '[]', 'INBOX', 1795758214, 40, 290, 1768639500, 1768639500.9258573, 1, 0, NULL, NULL, NULL, 1768639501.0769603, 'Processed', NULL, NULL, 0, NULL, NULL, 'fa2691c7b445ee6734e3d7e33bd90960', false);
INSERT INTO public.message VALUES (39, 'tabhfgepcevc67c6cvdohzm7gl', 'tabhfgepcevc67c6cvdohzm7gl', 'pending', 'clean', '[]', 'INBOX', 1795758214, 38, 288, 1768639500, 1768639500.9258573, 0, 0, NULL, NULL, 'paused:down', NULL, NULL, NULL, NULL, 0, NULL, NULL, '2b4d93a8d4a3538175a9301ffa890acc', false);
INSERT INTO public.message VALUES (40, 'w7zn5rz2twccpas7f2n6gs5wkl', 'w7zn5rz2twccpas7f2n6gs5wkl', 'pending', 'clean', '[]', 'INBOX', 1795758214, 39, 288, 1768639500, 1768639500.9258573, 0, 0, NULL, NULL, 'paused:down', NULL, NULL, NULL, NULL, 0, NULL, NULL, 'b3fff47930008b17d5511c3a727bdd18', false);
INSERT INTO public.message VALUES (43, 'oitygssx4233kcfw6r32upylfa', 'oitygssx4233kcfw6r32upylfa', 'failed', 'clean', '[]', 'INBOX', 1795758214, 42, 291, 1768639500, 1768639500.9258573, 1, 0, NULL, NULL, 'refusing:Reject', 1768639501.0769603, 'Failed', NULL, NULL, 0, NULL, NULL, 'bfa0b5c679cdf699829414b6c278c2e3', false);
INSERT INTO public.message VALUES (44, 're6tmrpcco6vng65qlivthn2gv', 're6tmrpcco6vng65qlivthn2gv', 'pending', 'clean', '[]', 'INBOX', 1795758214, 43, 290, 1768639620, 1768639620.6515865, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, '2a909701357d855aa9f8be7f1f44ce94', false);
INSERT INTO public.tally VALUES ('handled', 1);
SELECT pg_catalog.setval('public.intent_id_seq', 5, true);
SELECT pg_catalog.setval('public.message_id_seq', 44, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (fingerprint);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (message_id, path, handler);
ALTER TABLE ONLY public.fact
    ADD CONSTRAINT fact_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.folder
    ADD CONSTRAINT folder_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.headerless
    ADD CONSTRAINT headerless_pkey PRIMARY KEY (folder, uidvalidity, uid);
ALTER TABLE ONLY public.intent
    ADD CONSTRAINT intent_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.known_sender
    ADD CONSTRAINT known_sender_pkey PRIMARY KEY (sender);
ALTER TABLE ONLY public.lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_key_key UNIQUE (key);
ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tally
    ADD CONSTRAINT tally_pkey PRIMARY KEY (state);
CREATE INDEX message_fingerprint ON public.message USING btree (fingerprint);
CREATE INDEX message_place ON public.message USING btree (folder, uidvalidity, uid);
CREATE INDEX message_state ON public.message USING btree (state, next_at);
ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_message_id_fkey FOREIGN KEY (message_id) REFERENCES public.message(id) ON DELETE CASCADE;
