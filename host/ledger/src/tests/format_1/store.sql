PRAGMA application_id = 1416588396;
PRAGMA user_version = 5;
BEGIN;
CREATE TABLE store (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    name      BLOB NOT NULL CHECK (length(name) = 16),
    key_check BLOB NOT NULL CHECK (length(key_check) > 0)
) STRICT;
INSERT INTO store (id, name, key_check) VALUES (1, X'C5637A277E838420295BF88BCD9F6376', X'2E5404BFA0BE35C4DD578855DA30F79634B2DFACCB8387FBAC2F53A79EED5300E19D98BF9A2AC4E4A99E131715D7A528');
CREATE TABLE records (
    -- From 0, without gaps; the index is part of what the log promises.
    idx  INTEGER PRIMARY KEY CHECK (idx >= 0),
    -- An entry of a C2SP log has at most 65,535 bytes.
    leaf BLOB NOT NULL CHECK (length(leaf) BETWEEN 2 AND 65535),
    -- RFC 6962: SHA-256 of a zero byte and the leaf.
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    -- The first 16 bytes of SHA-256 of the chain of the record before and this hash: binds a record to
    -- its place, so that the first one that was moved is told.
    chain BLOB NOT NULL CHECK (length(chain) = 16),
    -- The record before it of the same run (read model): a run's records are a list that costs no
    -- index. Absent for a run's first record and for records of no run.
    prev INTEGER CHECK (prev >= 0 AND prev < idx)
) STRICT;
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (0, CAST('{"bundle":"sha256:ee29980e2c12b336d1989999116345093157d1909cc4bd7ad6ce9b9e78848db0","by":"alice","components":{},"policies":0,"tenant":"acme","time":1795249800000000,"tools":1,"type":"bundle_activated","v":1}' AS BLOB), X'3EA7F366F4F27C363B11E4C18797F02B9242651EBC62B143FA01132470C1646E', X'55983F7C02AA2442E7F6FFCE4E2F682A', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (1, CAST('{"act":"spoke_for_agent","by":"alice","target":"target","tenant":"acme","time":1795249800001000,"type":"administered","v":1}' AS BLOB), X'9A9A79B3A388DF54DFA17CC4D74ACADA7287C00B4482F87460C7A999C0FD17EB', X'19B9C5F1047668BD14629CBB2DD54FAC', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (2, CAST('{"act":"arguments_shown","by":"alice","target":"target","tenant":"acme","time":1795249800002000,"type":"administered","v":1}' AS BLOB), X'FBFB028F468C35CDE4DE091618200926AD60B82F960FF62D68BAB10F9344CAEF', X'B8B5CBB9AA7265384B786C686989EA4B', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (3, CAST('{"act":"payloads_forget","by":"alice","target":"target","tenant":"acme","time":1795249800003000,"type":"administered","v":1}' AS BLOB), X'979F7A912570470FDCF22C9DAC4487B581D3C43272C60349A03518E07C078450', X'0A7B190EBF99B1DC199BA3EA873B7D89', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (4, CAST('{"act":"payloads_forgotten","by":"alice","target":"target","tenant":"acme","time":1795249800004000,"type":"administered","v":1}' AS BLOB), X'B75B8018D46616F84B79D41D7287F9452B1F9258E46CF3690DF32D76100717ED', X'A501DA489F7F927308D4E52E28F9F6F3', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (5, CAST('{"act":"store_backup","by":"alice","target":"target","tenant":"acme","time":1795249800005000,"type":"administered","v":1}' AS BLOB), X'537C128DD1E42243CAF98AA34EFB405A03377296A6744DB2DDBD110D9ACE5E40', X'8E03ACEB4AF06877A9E5598B51894890', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (6, CAST('{"act":"store_restore","by":"alice","target":"target","tenant":"acme","time":1795249800006000,"type":"administered","v":1}' AS BLOB), X'E2B9621BADE630E7699CF5C5924744E579A87C77CE347A4369361B5FCBE40863', X'F098BCB27FF4EE44C9F8530B4224CDE4', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (7, CAST('{"act":"store_restored","by":"alice","target":"target","tenant":"acme","time":1795249800007000,"type":"administered","v":1}' AS BLOB), X'1F1A27148EC5EFF42F2CCD505F66B99DC99E4A59496FFDEEBBB01C265495BCBE', X'8738C145A1B8EC6FEBEA1B6DFDA54884', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (8, CAST('{"act":"token_created","by":"alice","target":"target","tenant":"acme","time":1795249800008000,"type":"administered","v":1}' AS BLOB), X'F56BC4F1F1EDC13B3DA287B9E0243C0E4A23A718DD9A94859E0EE4ACB79211EC', X'D039DC486F321E12BAFB0F3E91345178', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (9, CAST('{"act":"token_revoked","by":"alice","target":"target","tenant":"acme","time":1795249800009000,"type":"administered","v":1}' AS BLOB), X'786C4A7E646233CFB90DEBE995396B9AFA3B71223AE2C05C330879DAB993C67B', X'1D0A260D56969E780E3DA2326FDD1FA2', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (10, CAST('{"act":"token_revealed","by":"alice","target":"target","tenant":"acme","time":1795249800010000,"type":"administered","v":1}' AS BLOB), X'630BA37099390044DEDA14170B36879A60D48093944C7FACD8D46C767595C0F2', X'EE91D658CFB075F7803F5F3FF85FDB51', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (11, CAST('{"act":"facts_viewed","by":"alice","target":"target","tenant":"acme","time":1795249800011000,"type":"administered","v":1}' AS BLOB), X'C3305A6DC3968AF507C295E33D8A1AA8E3834654A278AC8E7EC481A9D9CD31FC', X'898CE8981CC1945B646F917E8C7DB46B', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (12, CAST('{"act":"reload_refused","by":"alice","target":"target","tenant":"acme","time":1795249800012000,"type":"administered","v":1}' AS BLOB), X'238B7D2FE8334CB6F284C950F37BCB399D240714D1475161B1E69D08A0F1E26A', X'6CFD7EB0E7B498B84C4CEBB4748CCF06', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (13, CAST('{"act":"run_set_removed","by":"alice","target":"target","tenant":"acme","time":1795249800013000,"type":"administered","v":1}' AS BLOB), X'CB19EF0EF04FCB7C38BCB9B89DBCB14CDC1FDF9B9911C9E111D32A904F44E855', X'6AFF26E30F9C3211BD2E4EAF9F4DD8C1', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (14, CAST('{"act":"webhook_given_up","by":"alice","target":"target","tenant":"acme","time":1795249800014000,"type":"administered","v":1}' AS BLOB), X'CB1E395B090CE78D95F46C87E6E7B41B4D0E0E2952B957E29B3D276240EBC367', X'60102E552CE08602EEA735F706F52F29', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (15, CAST('{"inherited":["private"],"key":"nightly","on_behalf_of":{"id":"alice","type":"User"},"principal":{"id":"support","type":"Agent"},"run":"00000000000000000000000000000001","span":"0000000000000002","tenant":"acme","time":1795249800015000,"type":"run_started","v":1}' AS BLOB), X'9ADB779146D29E8DD70F058F8BBBEDCB8FF38CC2365E36F8A3EE345715083A8D', X'0BBB02685238BD514F05F56EFFE2A844', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (16, CAST('{"call":"0000000000000005","caller":"0000000000000006","pointers":["/id"],"principal":{"id":"support","type":"Agent"},"problem":"invalid_arguments","run":"00000000000000000000000000000001","tenant":"acme","time":1795249800017000,"tool":"tickets__read","type":"call_invalid","v":1}' AS BLOB), X'B55891A0BC7226F5ABCF24DC6DC2F97A76B892D371E1262C17077DC006917E9B', X'081A1271A7375503E9C51249142A514C', 15);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (17, CAST('{"action":{"call":"tickets__read"},"arguments":"hmac:v1:0eff5865c6601ac7c16849c20a20547c55637abc83d589476c630c8fb6394be6","arguments_size":12,"bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","call":"0000000000000003","caller":"0000000000000007","captured":{"class":"private","payload":"sha256:57a315862b5670469ea11267e52a7174391ef6bce5f36c247884bb7675c1b67a"},"component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","determining":[],"facts":"sha256:cbe430d8bc874ad834751751967f4d36c672129904213420e9e546104f86cbe1","micros":11,"outcome":"allow","principal":{"id":"support","type":"Agent"},"resource":{"id":"tickets__read","type":"Tool"},"run":"00000000000000000000000000000001","span":"0000000000000008","tenant":"acme","time":1795249800018000,"type":"decision","v":1}' AS BLOB), X'91F3DB344F9D6AFA2BC8795D2738BB144A157C325CBC249C6648AE09DF3412FE', X'CFF6F31A0646ED50239B66CD7EF920A4', 16);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (18, CAST('{"attempt":1,"call":"0000000000000003","component":"tickets","digest":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","run":"00000000000000000000000000000001","span":"0000000000000009","tenant":"acme","time":1795249800016000,"type":"start","v":1}' AS BLOB), X'CE18B6CC9FF6EFA08F508099404F4DF57E4CF39DBF37CA419DF8CAB278976809', X'BD907A87CB8F6337D71591967D029CFF', 17);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (19, CAST('{"action":"write_file","bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","call":"0000000000000003","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","determining":[],"marked":"file:1:2","marks":["private"],"micros":7,"outcome":"allow","principal":{"id":"support","type":"Agent"},"resource":{"id":"work:/notes.txt","type":"File"},"run":"00000000000000000000000000000001","span":"000000000000000a","tenant":"acme","time":1795249800019000,"type":"decision","v":1}' AS BLOB), X'00E46C85CD22152784039B1E5D76A05AC308229A3F1AB1B7834FC3BA228C164B', X'E42AA452868DA3D678D80A27CD3FD4D4', 18);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (20, CAST('{"call":"0000000000000003","micros":5,"operation":"write_file","parent":"000000000000000a","run":"00000000000000000000000000000001","size":3,"span":"000000000000000b","target":"work:/notes.txt","tenant":"acme","time":1795249800020000,"type":"effect","v":1}' AS BLOB), X'34657C47F41112CD66AC1CAAF7C56C24F925A75A6E242F2E3E5ACCFE376F4B60', X'BFF97D1BB4B7636E8BD8CCFA9114E8E4', 19);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (21, CAST('{"action":{"call":"tickets__read"},"arguments":"hmac:v1:7bdbbf7fe8568d6122b1511b02f73bd27a5f65f2ae7f54fcce573fbbc8b4195b","arguments_size":12,"beside":true,"bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","call":"0000000000000004","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","determining":[],"micros":7,"outcome":"deny","principal":{"id":"support","type":"Agent"},"resource":{"id":"tickets__read","type":"Tool"},"run":"00000000000000000000000000000001","span":"000000000000000c","tenant":"acme","time":1795249800021000,"type":"decision","v":1}' AS BLOB), X'CF3A94E69A31B4C5915D68160CF65D74343901DFC1EB538E04F0080F7590052A', X'7C15C5FB77E34B5636F5189EAA2FE33D', 20);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (22, CAST('{"action":{"call":"tickets__read"},"arguments":"hmac:v1:7bdbbf7fe8568d6122b1511b02f73bd27a5f65f2ae7f54fcce573fbbc8b4195b","arguments_size":12,"bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","call":"0000000000000004","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","determining":[],"micros":7,"outcome":"deny","principal":{"id":"support","type":"Agent"},"resource":{"id":"tickets__read","type":"Tool"},"run":"00000000000000000000000000000001","span":"000000000000000d","tenant":"acme","time":1795249800022000,"type":"decision","v":1}' AS BLOB), X'BA56F6D79D5D7A78D2DA89963FA073FEAB1E0E82863123F5ADAEDC31230290FD', X'ED7C59A9AF5A59C569EB051F1EFF1A9A', 21);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (23, CAST('{"call":"0000000000000003","labels":["egress"],"level":"info","message":"hello","parent":"000000000000000e","run":"00000000000000000000000000000001","tenant":"acme","time":1795249800023000,"type":"adapter_log","v":1}' AS BLOB), X'C61F5C19124822EB1B2890F1AA3823DD7487FCCEC6DA786A615254C73339D2DD', X'2FF91C879CB110B7FD336DA39DCEA434', 22);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (24, CAST('{"call":"0000000000000003","effects":0,"fuel":1,"labels":["secret"],"peak_memory":1,"run":"00000000000000000000000000000001","size":3,"span":"0000000000000009","status":"fuel","tenant":"acme","time":1795249800024000,"type":"outcome","v":1}' AS BLOB), X'46A4A2A73F5159E223078792D124079ADADFD64B73378DAB1829EB988D5FD6E0', X'5CAFB40AF23F8F72F8D6A23A23DC5E0B', 23);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (25, CAST('{"action":{"call":"tickets__read"},"arguments":"hmac:v1:0eff5865c6601ac7c16849c20a20547c55637abc83d589476c630c8fb6394be6","arguments_size":12,"bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","call":"000000000000000f","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","determining":[],"micros":7,"outcome":"allow","principal":{"id":"support","type":"Agent"},"resource":{"id":"tickets__read","type":"Tool"},"run":"00000000000000000000000000000001","span":"0000000000000011","tenant":"acme","time":1795249800026000,"type":"decision","v":1}' AS BLOB), X'33E9B704E2785948C12E347A26D6E115C9F03B06DA6CB2499566A69084642917', X'AF7DFFAEC535B65A8A8AFE2B732C217B', 24);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (26, CAST('{"attempt":1,"call":"000000000000000f","component":"tickets","digest":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","run":"00000000000000000000000000000001","span":"0000000000000010","tenant":"acme","time":1795249800025000,"type":"start","v":1}' AS BLOB), X'3793214DCE675262E6A3258CCFB7BF91E3924162C6A5C134568DAD1957FDC51B', X'672E07C3257A87FBB5818FCDD0FD3617', 25);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (27, CAST('{"call":"000000000000000f","effects":0,"fuel":1,"labels":[],"peak_memory":1,"run":"00000000000000000000000000000001","size":3,"span":"0000000000000010","status":"memory","tenant":"acme","time":1795249800027000,"type":"outcome","v":1}' AS BLOB), X'577359D84AD5588FA5BEABF16652106E49A367B2AD9763AE803E3D3F8A91CE6E', X'0B0F04CAC81AF2F146209590F12DDE17', 26);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (28, CAST('{"by":"alice","outcome":"success","run":"00000000000000000000000000000001","stop_reason":"done","tenant":"acme","time":1795249800028000,"type":"run_ended","v":1}' AS BLOB), X'80AF684ECAACD8155BF0AA26D553D90700A112C6EE729F47F58BE608FBBCA772', X'89BFEC3485842D55BFF932B8AA2A11A6', 27);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (29, CAST('{"inherited":[],"on_behalf_of":{"id":"alice","type":"User"},"principal":{"id":"support","type":"Agent"},"run":"00000000000000000000000000000012","span":"0000000000000013","tenant":"acme","time":1795249800029000,"type":"run_started","v":1}' AS BLOB), X'F9C01C051DCE188B86A8F49399F68B91EC39E854EB1630DA8F944415EDEEB4E5', X'AAB5C8EC16A03FF1D899E624C4A393E7', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (30, CAST('{"action":{"call":"tickets__read"},"arguments":"hmac:v1:9385947961065f0000858374cd6df4bcef6e8bfacebe9bdbdb7d3cfa0eeb43af","arguments_size":12,"bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","call":"0000000000000014","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","determining":[],"micros":7,"outcome":"escalate","principal":{"id":"support","type":"Agent"},"resource":{"id":"tickets__read","type":"Tool"},"run":"00000000000000000000000000000012","span":"0000000000000017","tenant":"acme","time":1795249800031000,"type":"decision","v":1}' AS BLOB), X'6FD532BF2A7257AE9FBCD36ABFA8C668353F42410D33654FDB847C2AC42E3061', X'C4F2A7BDDB62DD5EA99FD274BD7DF119', 29);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (31, CAST('{"arguments":"hmac:v1:9385947961065f0000858374cd6df4bcef6e8bfacebe9bdbdb7d3cfa0eeb43af","call":"0000000000000014","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","expires":1795253400000000,"id":"apr-0000000000000015","on_behalf_of":{"id":"alice","type":"User"},"payload":"sha256:239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5","principal":{"id":"support","type":"Agent"},"requirement":{"alternatives":[{"count":1,"roles":["security"]}],"lifts":[],"severity":"high"},"round":1,"run":"00000000000000000000000000000012","span":"0000000000000016","tenant":"acme","time":1795249800030000,"tool":"tickets__read","type":"approval_requested","v":1}' AS BLOB), X'7D1063C3B9C9EFA0449CE4999A2A8548770CD2F7C49F3E259E3796FBA74859B0', X'51D7AE5F9463CCC6BA7C05E26FFC3A5F', 30);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (32, CAST('{"around":["0000000000000019"],"call":"0000000000000014","id":"apr-0000000000000015","run":"00000000000000000000000000000012","span":"0000000000000018","state":"expired","tenant":"acme","time":1795249800033000,"type":"approval_resolved","v":1}' AS BLOB), X'C13E1DDA774675A929BD137E77D8625454A5004285F8D406ECE4D5F06FF68751', X'D3E332BFEAF0FEEFE48C8F5A83AF8504', 31);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (33, CAST('{"action":{"call":"tickets__read"},"arguments":"hmac:v1:81e7857ded95d8b6a409d8970d00135d9b9b9ae8f465a8f263453acc8de42579","arguments_size":12,"bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","call":"000000000000001a","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","determining":[],"micros":7,"outcome":"escalate","principal":{"id":"support","type":"Agent"},"resource":{"id":"tickets__read","type":"Tool"},"run":"00000000000000000000000000000012","span":"000000000000001d","tenant":"acme","time":1795249800035000,"type":"decision","v":1}' AS BLOB), X'B3E329715D945A217B3D22E076876AA7A84547CB6E445C8084744016F4F8E752', X'64553CDE061E1FD6BC9AB3621C0C3047', 32);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (34, CAST('{"arguments":"hmac:v1:81e7857ded95d8b6a409d8970d00135d9b9b9ae8f465a8f263453acc8de42579","call":"000000000000001a","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","expires":1795253400000000,"id":"apr-000000000000001b","on_behalf_of":{"id":"alice","type":"User"},"payload":"sha256:6a55455a539cedbd5b2b2d3c25a9ea30ea4e49fe407a7583ca42855194d3f48a","principal":{"id":"support","type":"Agent"},"requirement":{"alternatives":[{"count":1,"roles":["security"]}],"lifts":[],"severity":"high"},"round":1,"run":"00000000000000000000000000000012","span":"000000000000001c","tenant":"acme","time":1795249800036000,"tool":"tickets__read","type":"approval_requested","v":1}' AS BLOB), X'D1587079192269AEC65164A98145C42917B1513CB6C2F701215A6208DE21DC40', X'BCB90D5EC04ACBCE4FF11C707CBE9F8D', 33);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (35, CAST('{"id":"apr-000000000000001b","run":"00000000000000000000000000000012","tenant":"acme","time":1795249800037000,"to":["managers"],"type":"approval_escalated","v":1}' AS BLOB), X'9B8A00A56AE8DD73E9AC16435D9799899B505C17813C719889CDB9795536E3BD', X'D42C4926387C1730D619072B5C39C237', 34);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (36, CAST('{"action":{"call":"tickets__read"},"arguments":"hmac:v1:b83367add16429334e12d40de6f2f1a4c2325b01f717e5e72ea1d4647481169c","arguments_size":12,"bundle":"sha256:1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc","call":"000000000000001e","component":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","determining":[],"micros":7,"outcome":"allow","principal":{"id":"support","type":"Agent"},"resource":{"id":"tickets__read","type":"Tool"},"run":"00000000000000000000000000000012","span":"000000000000001f","tenant":"acme","time":1795249800038000,"type":"decision","v":1}' AS BLOB), X'239ACE7941E62609177EA429B014D9BD21FEBCC93993904B58DFB2F69061CEDC', X'D538EE47FB5B0DDBDC5295B40FC3D22A', 35);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (37, CAST('{"attempt":1,"call":"000000000000001e","component":"tickets","digest":"sha256:6985ca1f4daa5a584a28eae043a239cb96689af1337ea13afb63e00c2bf512fa","run":"00000000000000000000000000000012","span":"0000000000000020","tenant":"acme","time":1795249800039000,"type":"start","v":1}' AS BLOB), X'0E57C28B249FBD35BE9602E0F0C8A0D195C2F533D5B69E8ACBAF729A83FF8B99', X'3F12DF4A2FD6EA2884A14555D067132F', 36);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (38, CAST('{"by":"alice","name":"payments__refund","reason":"it misbehaves","scope":"tool","tenant":"acme","time":1795249800040000,"type":"halted","v":1}' AS BLOB), X'92034DDAA37555DA0F39E8814AFF8F2114F0C08BE2F2E1C70289E4EE8D3A2D44', X'26B06DF6B2EF12113E7A3DF9AD456631', NULL);
INSERT INTO records (idx, leaf, hash, chain, prev) VALUES (39, CAST('{"act":"facts_viewed","by":"alice","target":"x","tenant":"acme","time":1795249800041000,"type":"administered","v":1}' AS BLOB), X'72728EBCF7B5B62613556DA96C0BD9BDD9983E62F67E4BAD3C6C1B8AFB56A8F6', X'A5BCFD00C61CBC4EB40D77A3AF8E81F1', NULL);
CREATE TABLE payloads (
    -- 65,536 x the index of the first record of its batch, plus its place: rows are appended in the
    -- order of the records, and found from any record of the batch without an index of random digests.
    id         INTEGER PRIMARY KEY CHECK (id >= 0),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    tenant     TEXT NOT NULL,
    day        INTEGER NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;
INSERT INTO payloads (id, digest, tenant, day, ciphertext) VALUES (983040, X'57A315862B5670469EA11267E52A7174391EF6BCE5F36C247884BB7675C1B67A', 'acme', 20778, X'9DD5967764557B846A1C3555B50218C45B80EF6CCB32AA98A18AD073F1E7552CCE72A8A05CF6FBF6BA43CEB98A4357C3');
INSERT INTO payloads (id, digest, tenant, day, ciphertext) VALUES (983041, X'CBE430D8BC874AD834751751967F4D36C672129904213420E9E546104F86CBE1', 'acme', 20778, X'19F3BCC1814A17370501E323A8419F1B641A7726D893F5980678FF171F4D9CA8B20898968A82E879FFF574F40531E652FC2B3D1934BF');
INSERT INTO payloads (id, digest, tenant, day, ciphertext) VALUES (2162688, X'6A55455A539CEDBD5B2B2D3C25A9EA30EA4E49FE407A7583CA42855194D3F48A', 'acme', 20778, X'9E7FBC18F638C0A591449BD1C367AE35D8472849B08E3895AF36007F968DF7BD3E33147CDAE4F4F843C163A30A4F6FA2');
CREATE TABLE bundles (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    bytes  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO bundles (digest, bytes) VALUES (X'EE29980E2C12B336D1989999116345093157D1909CC4BD7AD6CE9B9E78848DB0', X'7B22706F6C6963696573223A7B7D7D');
CREATE TABLE digest_keys (
    tenant  TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    wrapped BLOB NOT NULL CHECK (length(wrapped) = 72),
    PRIMARY KEY (tenant, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_keys (
    tenant  TEXT NOT NULL,
    day     INTEGER NOT NULL,
    wrapped BLOB CHECK (length(wrapped) = 72),
    PRIMARY KEY (tenant, day)
) STRICT, WITHOUT ROWID;
INSERT INTO day_keys (tenant, day, wrapped) VALUES ('acme', 20778, X'799DD3C25CF3328B46C0627F7B635EDC6698F6C75B4A9B505CD9DE15D0B5E9DCDDDB9755E4EEAAB253D364B9939A548F58A373ABD01FC26243D7E35CBA41110CCAE9D6B6F9F58237');
CREATE TABLE runs (
    -- Index of the record that began it; also what other tables call it by.
    opened         INTEGER PRIMARY KEY CHECK (opened >= 0),
    id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    tenant         TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    behalf_type    TEXT NOT NULL,
    behalf_id      TEXT NOT NULL,
    key            TEXT,
    root           BLOB NOT NULL CHECK (length(root) = 8),
    started        INTEGER NOT NULL,
    last           INTEGER NOT NULL CHECK (last >= started),
    -- Index of its last record: where the list of its records begins.
    head           INTEGER NOT NULL CHECK (head >= opened),
    version        INTEGER NOT NULL CHECK (version >= 0),
    calls          INTEGER NOT NULL CHECK (calls >= 0),
    denials        INTEGER NOT NULL CHECK (denials >= 0),
    errors         INTEGER NOT NULL CHECK (errors >= 0),
    ended          INTEGER,
    outcome        TEXT CHECK (outcome IN
                     ('success', 'failed', 'denied', 'abandoned', 'budget_exhausted', 'cancelled')),
    stop_reason    TEXT,
    -- A run has ended with an outcome and a reason, or it has not ended.
    CHECK ((ended IS NULL) = (outcome IS NULL) AND (ended IS NULL) = (stop_reason IS NULL))
) STRICT;
INSERT INTO runs (opened, id, tenant, principal_type, principal_id, behalf_type, behalf_id, key, root, started, last, head, version, calls, denials, errors, ended, outcome, stop_reason) VALUES (15, X'00000000000000000000000000000001', 'acme', 'Agent', 'support', 'User', 'alice', 'nightly', X'0000000000000002', 1795249800015000, 1795249800028000, 28, 8, 3, 1, 3, 1795249800028000, 'success', 'done');
INSERT INTO runs (opened, id, tenant, principal_type, principal_id, behalf_type, behalf_id, key, root, started, last, head, version, calls, denials, errors, ended, outcome, stop_reason) VALUES (29, X'00000000000000000000000000000012', 'acme', 'Agent', 'support', 'User', 'alice', NULL, X'0000000000000013', 1795249800029000, 1795249800039000, 37, 3, 3, 0, 0, NULL, NULL, NULL);
CREATE TABLE run_labels (
    run   INTEGER NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (run, label)
) STRICT, WITHOUT ROWID;
INSERT INTO run_labels (run, label) VALUES (15, 'egress');
INSERT INTO run_labels (run, label) VALUES (15, 'private');
INSERT INTO run_labels (run, label) VALUES (15, 'secret');
CREATE TABLE run_tools (
    run  INTEGER NOT NULL,
    tool TEXT NOT NULL,
    PRIMARY KEY (run, tool)
) STRICT, WITHOUT ROWID;
INSERT INTO run_tools (run, tool) VALUES (15, 'tickets__read');
INSERT INTO run_tools (run, tool) VALUES (29, 'tickets__read');
CREATE TABLE run_repeats (
    run  INTEGER NOT NULL,
    call BLOB NOT NULL CHECK (length(call) = 16),
    n    INTEGER NOT NULL CHECK (n >= 1),
    PRIMARY KEY (run, call)
) STRICT, WITHOUT ROWID;
INSERT INTO run_repeats (run, call, n) VALUES (15, X'070BD520B0A97ED4B33058FA04DF238C', 2);
INSERT INTO run_repeats (run, call, n) VALUES (15, X'9208DF22BD0DD9B71AB08E924F7C667D', 1);
INSERT INTO run_repeats (run, call, n) VALUES (29, X'08B01B144A3DB462FDAF81EED3E1AE0D', 1);
INSERT INTO run_repeats (run, call, n) VALUES (29, X'4A127843445FA94D28781C21331B0A44', 1);
INSERT INTO run_repeats (run, call, n) VALUES (29, X'F7A8D9A064D7A6B08BC1B32FE75CA9C2', 1);
CREATE TABLE approvals (
    id        BLOB PRIMARY KEY CHECK (length(id) = 8),
    -- Index of the record that asked, which holds everything else about it.
    opened    INTEGER NOT NULL UNIQUE,
    tenant    TEXT NOT NULL,
    run       INTEGER NOT NULL,
    call      BLOB NOT NULL CHECK (length(call) = 8),
    -- SHA-256 of tenant, run, principal, tool, component and arguments.
    binding   BLOB NOT NULL CHECK (length(binding) = 32),
    -- 0 (low) to 3 (critical).
    severity  INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 3),
    state     TEXT NOT NULL CHECK (state IN
                ('pending', 'approved', 'rejected', 'expired', 'cancelled', 'consumed')),
    version   INTEGER NOT NULL CHECK (version >= 0),
    requested INTEGER NOT NULL,
    expires   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO approvals (id, opened, tenant, run, call, binding, severity, state, version, requested, expires) VALUES (X'0000000000000015', 31, 'acme', 29, X'0000000000000014', X'FF54E1D1F957F4299A010702A4E4AAF62882C7F28F0AFA3744E157CC1B874F33', 2, 'expired', 1, 1795249800030000, 1795253400000000);
INSERT INTO approvals (id, opened, tenant, run, call, binding, severity, state, version, requested, expires) VALUES (X'000000000000001B', 34, 'acme', 29, X'000000000000001A', X'6B1FAC953205E7A7FF71EBB8B0992D9B9D49965F9F03EB8B534A264F64B09754', 2, 'pending', 1, 1795249800036000, 1795253400000000);
CREATE TABLE approval_answers (
    -- Index of the record of the answer.
    idx         INTEGER PRIMARY KEY,
    approval    BLOB NOT NULL CHECK (length(approval) = 8),
    took_effect INTEGER NOT NULL CHECK (took_effect IN (0, 1))
) STRICT;
CREATE TABLE halts (
    scope  TEXT NOT NULL CHECK (scope IN ('agent', 'tool', 'component', 'tenant', 'all')),
    name   TEXT NOT NULL,
    by     TEXT NOT NULL,
    reason TEXT NOT NULL,
    since  INTEGER NOT NULL,
    PRIMARY KEY (scope, name),
    -- Everything has no name.
    CHECK ((scope = 'all') = (name = ''))
) STRICT, WITHOUT ROWID;
INSERT INTO halts (scope, name, by, reason, since) VALUES ('tool', 'payments__refund', 'alice', 'it misbehaves', 38);
CREATE TABLE principal_labels (
    tenant         TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    label          TEXT NOT NULL,
    last           INTEGER NOT NULL,
    PRIMARY KEY (tenant, principal_type, principal_id, label)
) STRICT, WITHOUT ROWID;
INSERT INTO principal_labels (tenant, principal_type, principal_id, label, last) VALUES ('acme', 'Agent', 'support', 'egress', 1795249860000000);
INSERT INTO principal_labels (tenant, principal_type, principal_id, label, last) VALUES ('acme', 'Agent', 'support', 'private', 1795249860000000);
INSERT INTO principal_labels (tenant, principal_type, principal_id, label, last) VALUES ('acme', 'Agent', 'support', 'secret', 1795249860000000);
CREATE TABLE file_labels (
    file  TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (file, label)
) STRICT, WITHOUT ROWID;
INSERT INTO file_labels (file, label) VALUES ('file:1:2', 'private');
CREATE TABLE activations (
    idx INTEGER PRIMARY KEY
) STRICT;
INSERT INTO activations (idx) VALUES (0);
CREATE TABLE state (
    id         INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    component  TEXT NOT NULL,
    -- The run whose state it is; empty for that of the component itself.
    run        BLOB NOT NULL CHECK (length(run) IN (0, 16)),
    key        TEXT NOT NULL CHECK (length(key) > 0),
    -- Bytes of key and value: what counts towards the limits.
    size       INTEGER NOT NULL CHECK (size > 0),
    -- Index of the first record of the batch that wrote it: changes with every write.
    written    INTEGER NOT NULL CHECK (written >= 0),
    -- Labels of the run when it was written: a JSON array.
    labels     TEXT NOT NULL,
    -- Which key seals it. When that key goes, the value is gone.
    day        INTEGER NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT;
INSERT INTO state (id, tenant, component, run, key, size, written, labels, day, ciphertext) VALUES (1, 'acme', 'tickets', X'', 'count', 9, 39, '["private"]', 20778, X'55C04D707438C0FEA195D6D3594B6B26E1E5726675EA7AAF5A21FCCD2CA2CDCF8E97462EF5E82F1AB8697C9D');
CREATE TABLE "calls" (
    run   INTEGER NOT NULL,
    call  BLOB NOT NULL CHECK (length(call) = 8),
    state TEXT NOT NULL,
    -- Index of the record of its last start.
    start INTEGER,
    PRIMARY KEY (run, call),
    CHECK (CASE WHEN start IS NULL
        THEN state = 'invalid' OR state = 'denied' OR state = 'pending'
        ELSE state = 'started' OR state = 'suspended' OR state = 'closed' OR state = 'indeterminate' END)
) STRICT, WITHOUT ROWID;
INSERT INTO calls (run, call, state, start) VALUES (15, X'0000000000000003', 'closed', 18);
INSERT INTO calls (run, call, state, start) VALUES (15, X'0000000000000004', 'denied', NULL);
INSERT INTO calls (run, call, state, start) VALUES (15, X'0000000000000005', 'invalid', NULL);
INSERT INTO calls (run, call, state, start) VALUES (15, X'000000000000000F', 'closed', 26);
INSERT INTO calls (run, call, state, start) VALUES (29, X'0000000000000014', 'pending', NULL);
INSERT INTO calls (run, call, state, start) VALUES (29, X'000000000000001A', 'pending', NULL);
INSERT INTO calls (run, call, state, start) VALUES (29, X'000000000000001E', 'started', 37);
CREATE TABLE approval_waits (
    approval BLOB NOT NULL CHECK (length(approval) = 8),
    -- As `approvals.binding`, of the waiting call.
    binding  BLOB NOT NULL CHECK (length(binding) = 32),
    run      INTEGER NOT NULL,
    call     BLOB NOT NULL CHECK (length(call) = 8),
    PRIMARY KEY (binding, approval)
) STRICT, WITHOUT ROWID;
CREATE TABLE "tokens" (
    id             BLOB PRIMARY KEY CHECK (length(id) = 8),
    principal_type TEXT NOT NULL CHECK (principal_type IN ('Agent', 'User')),
    principal_id   TEXT NOT NULL,
    -- The user for whom an agent acts; absent: its operator.
    on_behalf_of   TEXT CHECK (on_behalf_of IS NULL OR principal_type = 'Agent'),
    -- What it is for, in its maker's words.
    name           TEXT NOT NULL,
    hash           BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created        INTEGER NOT NULL,
    expires        INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO tokens (id, principal_type, principal_id, on_behalf_of, name, hash, created, expires) VALUES (X'0505050505050505', 'User', 'alice', NULL, 'cli', X'3C469E9D6C5875D37A43F353D4F88E61FCF812C66EEE3457465A40B0DA4153E0', 1795249800000000, NULL);
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL CHECK (next >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO cursors (name, next) VALUES ('webhook', 3);
CREATE TABLE approval_groups (
    approval BLOB PRIMARY KEY CHECK (length(approval) = 8),
    -- Index of the record that says so.
    idx      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO approval_groups (approval, idx) VALUES (X'000000000000001B', 35);
CREATE TABLE principal_calls (
    tenant         TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    -- Hours since 1970.
    hour           INTEGER NOT NULL,
    -- Calls that were decided in that hour, counted as in a run.
    calls          INTEGER NOT NULL CHECK (calls >= 0),
    -- Microseconds between calls that followed one another within five minutes.
    active         INTEGER NOT NULL CHECK (active >= 0),
    -- When the last of them was decided.
    last           INTEGER NOT NULL,
    PRIMARY KEY (tenant, principal_type, principal_id, hour)
) STRICT, WITHOUT ROWID;
INSERT INTO principal_calls (tenant, principal_type, principal_id, hour, calls, active, last) VALUES ('acme', 'Agent', 'support', 498680, 5, 20000, 1795249800038000);
CREATE UNIQUE INDEX approvals_pending ON approvals (binding) WHERE state = 'pending';
CREATE INDEX approvals_by_binding ON approvals (binding, opened);
CREATE INDEX approvals_open ON approvals (expires) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_open_of_run ON approvals (run) WHERE state IN ('pending', 'approved');
CREATE INDEX approval_answers_of ON approval_answers (approval, idx);
CREATE INDEX state_sizes ON state (tenant, component, run, size);
CREATE UNIQUE INDEX state_key ON state (tenant, component, run, key);
CREATE INDEX state_of_run ON state (run) WHERE run <> x'';
CREATE INDEX calls_started ON calls (start) WHERE state = 'started';
CREATE INDEX tokens_of ON tokens (principal_type, principal_id);
CREATE UNIQUE INDEX runs_by_key ON runs (tenant, principal_type, principal_id, behalf_type, behalf_id, key)
    WHERE key IS NOT NULL AND ended IS NULL;
CREATE INDEX runs_by_past_key ON runs (tenant, principal_type, principal_id, behalf_type, behalf_id, key, opened)
    WHERE key IS NOT NULL;
CREATE INDEX runs_ambient ON runs (tenant, principal_type, principal_id, behalf_type, behalf_id, opened)
    WHERE key IS NULL AND ended IS NULL;
CREATE INDEX runs_by_name ON runs (key, opened) WHERE key IS NOT NULL;
CREATE INDEX runs_named_open ON runs (started) WHERE key IS NOT NULL AND ended IS NULL;
COMMIT;
