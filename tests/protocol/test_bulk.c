#include "fixture.h"

#include "protocol/bulk.h"

#define REQUEST "'schemas':['urn:ietf:params:scim:api:messages:2.0:BulkRequest']"
#define A_ID "00000000-0000-7000-8000-0000000000"

static enum rc
read_as(struct fixture *f, enum dialect dialect, const char *text, struct bulk **b, struct err *err)
{
	const struct bulk_options options = { dialect, 5, BASE_ORG };

	*err = (struct err)ERR_INIT;
	return bulk_read(f->a, f->set, json_of(f, text), &options, b, err);
}

/* Reads it, gives operation n the id A_ID "0n", resolves. */
static struct bulk *
resolved(struct fixture *f, const char *text)
{
	struct bulk *b;
	struct err err;

	if (read_as(f, DIALECT_TOLERANT, text, &b, &err) != RC_OK)
		fail_msg("%s: %s", err.path, err.detail);
	for (size_t i = 0; i < b->count; i++)
		if (b->ops[i].method == BULK_POST)
			assert_true(uuid_parse(
				slice_of(arena_printf(f->a, A_ID "%02zu", i)), &b->ops[i].id));
	bulk_resolve(f->a, b);
	return b;
}

static void
whole_requests_are_refused(void **state)
{
	static const struct {
		const char *text;
		enum rc tolerant, strict;
		const char *word;
	} table[] = {
		{ "{}", RC_INVALID_SYNTAX, RC_INVALID_SYNTAX, "" },
		{ "{" REQUEST "}", RC_INVALID_SYNTAX, RC_INVALID_SYNTAX, "required" },
		{ "{" REQUEST ",'Operations':[]}", RC_INVALID_SYNTAX, RC_INVALID_SYNTAX,
			"required" },
		{ "{" REQUEST ",'Operations':{}}", RC_INVALID_SYNTAX, RC_INVALID_SYNTAX,
			"required" },
		{ "{'Operations':[{}]}", RC_OK, RC_INVALID_SYNTAX, "BulkRequest" },
		{ "{'schemas':['" USER_URN "'],'Operations':[{}]}", RC_INVALID_SYNTAX,
			RC_INVALID_SYNTAX, "BulkRequest" },
		{ "{" REQUEST ",'failOnErrors':'1','Operations':[{}]}", RC_INVALID_VALUE,
			RC_INVALID_VALUE, "" },
		{ "{" REQUEST ",'failOnErrors':-1,'Operations':[{}]}", RC_INVALID_VALUE,
			RC_INVALID_VALUE, "" },
		{ "{" REQUEST ",'failOnErrors':1.5,'Operations':[{}]}", RC_INVALID_VALUE,
			RC_INVALID_VALUE, "" },
		{ "{" REQUEST ",'failOnErrors':2,'Operations':[{}]}", RC_OK, RC_OK, "" },
		{ "{" REQUEST ",'Operations':[1,2,3,4,5]}", RC_OK, RC_OK, "" },
		{ "{" REQUEST ",'Operations':[1,2,3,4,5,6]}", RC_TOO_LARGE, RC_TOO_LARGE,
			"maxOperations (5)" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bulk *b;
		struct err err;
		enum rc tolerant = read_as(f, DIALECT_TOLERANT, table[i].text, &b, &err);
		enum rc strict = read_as(f, DIALECT_STRICT, table[i].text, &b, &err);

		if (tolerant != table[i].tolerant || strict != table[i].strict ||
			strstr(err.detail, table[i].word) == NULL)
			fail_msg("%s: %s, %s, %s", table[i].text, rc_name(tolerant),
				rc_name(strict), err.detail);
	}
}

static void
long_requests_are_refused(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(bulk_check_size(1048576, 1048576, &err), RC_OK);
	assert_int_equal(bulk_check_size(1048577, 1048576, &err), RC_TOO_LARGE);
	assert_non_null(strstr(err.detail, "maxPayloadSize (1048576)"));
}

#define ID "2819c223-7f76-453a-919d-413861904646"
#define DATA "'data':{'userName':'a'}"

static void
operations_fail_alone(void **state)
{
	static const struct {
		const char *text;
		enum rc tolerant, strict;
	} table[] = {
		{ "1", RC_INVALID_SYNTAX, RC_INVALID_SYNTAX },
		{ "{}", RC_INVALID_SYNTAX, RC_INVALID_SYNTAX },
		{ "{'method':'GET','path':'/Users/" ID "'}", RC_INVALID_SYNTAX, RC_INVALID_SYNTAX },
		{ "{'method':'POST','bulkId':'x'," DATA "}", RC_INVALID_SYNTAX, RC_INVALID_SYNTAX },
		{ "{'method':'POST','path':'/Users','bulkId':'x'}", RC_INVALID_SYNTAX,
			RC_INVALID_SYNTAX },
		{ "{'method':'POST','path':'/Users','bulkId':'x','data':[]}", RC_INVALID_SYNTAX,
			RC_INVALID_SYNTAX },
		{ "{'method':'POST','path':'/Users','bulkId':'x'," DATA "}", RC_OK, RC_OK },
		{ "{'method':'POST','path':'/Users','bulkId':7," DATA "}", RC_INVALID_VALUE,
			RC_INVALID_VALUE },
		{ "{'method':'POST','path':'/Users','bulkId':''," DATA "}", RC_INVALID_VALUE,
			RC_INVALID_VALUE },
		{ "{'method':'POST','path':'/Users'," DATA "}", RC_OK, RC_INVALID_SYNTAX },
		{ "{'method':'post','path':'/Users','bulkId':'x'," DATA "}", RC_OK,
			RC_INVALID_SYNTAX },
		{ "{'method':'POST','path':'Users','bulkId':'x'," DATA "}", RC_OK,
			RC_INVALID_SYNTAX },
		{ "{'Method':'POST','PATH':'/Users','BulkId':'x','Data':{}}", RC_OK, RC_OK },
		{ "{'method':'POST','path':'/Cars','bulkId':'x'," DATA "}", RC_NOT_FOUND,
			RC_NOT_FOUND },
		{ "{'method':'POST','path':'/','bulkId':'x'," DATA "}", RC_NOT_FOUND,
			RC_NOT_FOUND },
		{ "{'method':'POST','path':'/Bulk','bulkId':'x'," DATA "}", RC_NOT_FOUND,
			RC_NOT_FOUND },
		{ "{'method':'PATCH','path':'/Me'," DATA "}", RC_NOT_IMPLEMENTED,
			RC_NOT_IMPLEMENTED },
		{ "{'method':'POST','path':'/Users/" ID "','bulkId':'x'," DATA "}",
			RC_METHOD_NOT_ALLOWED, RC_METHOD_NOT_ALLOWED },
		{ "{'method':'PUT','path':'/Users'," DATA "}", RC_METHOD_NOT_ALLOWED,
			RC_METHOD_NOT_ALLOWED },
		{ "{'method':'DELETE','path':'/Users/'}", RC_METHOD_NOT_ALLOWED,
			RC_METHOD_NOT_ALLOWED },
		{ "{'method':'DELETE','path':'/Users/" ID "'}", RC_OK, RC_OK },
		{ "{'method':'DELETE','path':'/Users/" ID "','version':'W/\\\"1\\\"'}", RC_OK,
			RC_OK },
		{ "{'method':'DELETE','path':'/Users/" ID "','version':1}", RC_INVALID_SYNTAX,
			RC_INVALID_SYNTAX },
		{ "{'method':'PATCH','path':'/Users/" ID
		  "','data':[{'op':'remove','path':'title'}]}",
			RC_OK, RC_INVALID_SYNTAX },
		{ "{'method':'PUT','path':'/Users/" ID "','data':'{\\\"userName\\\":\\\"a\\\"}'}",
			RC_OK, RC_INVALID_SYNTAX },
		{ "{'method':'PUT','path':'/Users/" ID "','data':'{'}", RC_INVALID_SYNTAX,
			RC_INVALID_SYNTAX },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *text =
			arena_printf(f->a, "{" REQUEST ",'Operations':[%s]}", table[i].text);
		struct bulk *tolerant, *strict;
		struct err err;

		assert_int_equal(read_as(f, DIALECT_TOLERANT, text, &tolerant, &err), RC_OK);
		assert_int_equal(read_as(f, DIALECT_STRICT, text, &strict, &err), RC_OK);
		if (tolerant->ops[0].rc != table[i].tolerant ||
			strict->ops[0].rc != table[i].strict)
			fail_msg("%s: %s, %s", table[i].text, rc_name(tolerant->ops[0].rc),
				rc_name(strict->ops[0].rc));
		assert_true(tolerant->ops[0].rc == RC_OK || tolerant->ops[0].err.detail[0] != '\0');
	}
}

static void
operations_are_read_whole(void **state)
{
	struct bulk *b = resolved(*state,
		"{" REQUEST ",'failOnErrors':3,'Operations':["
		"{'method':'POST','path':'/Groups','bulkId':'b 1','data':{'displayName':'x'}},"
		"{'method':'DELETE','path':'/Users/" ID "/','version':'W/\\\"4\\\"'},"
		"{'method':'PUT','path':'/Users/not-a-uuid','data':{}}]}");

	assert_int_equal(b->count, 3);
	assert_int_equal(b->fail_on_errors, 3);
	assert_int_equal(b->ops[0].type->code, TYPE_GROUP);
	assert_true(slice_eq(b->ops[0].bulk_id, SLICE("b 1")));
	assert_int_equal(b->ops[1].method, BULK_DELETE);
	assert_true(b->ops[1].is_uuid);
	assert_true(slice_eq(b->ops[1].id_text, SLICE(ID)));
	assert_true(slice_eq(b->ops[1].version, SLICE("W/\"4\"")));
	assert_int_equal(b->ops[2].rc, RC_OK);
	assert_false(b->ops[2].is_uuid);
}

static void
a_bulk_id_is_there_once(void **state)
{
	struct bulk *b =
		resolved(*state, "{'Operations':["
				 "{'method':'POST','path':'/Users','bulkId':'x'," DATA "},"
				 "{'method':'POST','path':'/Users','bulkId':'y'," DATA "},"
				 "{'method':'POST','path':'/Users','bulkId':'x'," DATA "}]}");

	assert_int_equal(b->ops[0].rc, RC_OK);
	assert_int_equal(b->ops[2].rc, RC_INVALID_VALUE);
	assert_string_equal(b->ops[2].err.path, "bulkId");
}

/* RFC 7644 section 3.7.2, the example, and references in all other places. */
static void
references_become_ids(void **state)
{
	static const struct {
		const char *data, *want;
	} table[] = {
		{ "{'members':[{'type':'User','value':'bulkId:q'}]}",
			"{'members':[{'type':'User','value':'" A_ID "01'}]}" },
		{ "{'" ENTERPRISE "':{'employeeNumber':'11250','manager':{'value':'bulkId:q'}}}",
			"{'" ENTERPRISE "':{'employeeNumber':'11250','manager':{'value':'" A_ID
			"01'}}}" },
		{ "{'members':[{'value':'bulkId:q','$ref':'../Users/bulkId:q'}]}",
			"{'members':[{'value':'" A_ID "01','$ref':'../Users/" A_ID "01'}]}" },
		{ "{'members':[{'$ref':'https://h/bulkId:q?x#y'},{'$ref':'https://h/bulkId:q/z/"
		  "bulkId:q'}]}",
			"{'members':[{'$ref':'https://h/" A_ID "01?x#y'},{'$ref':'https://h/" A_ID
			"01/z/" A_ID "01'}]}" },
		{ "{'Operations':[{'op':'remove','path':'members[value eq \\\"bulkId:q\\\"]'}]}",
			"{'Operations':[{'op':'remove','path':'members[value eq \\\"" A_ID
			"01\\\"]'}]}" },
		{ "{'Operations':[{'op':'add','path':'members','value':[{'value':'bulkId:q'}]}]}",
			"{'Operations':[{'op':'add','path':'members','value':[{'value':'" A_ID
			"01'}]}]}" },
		{ "{'manager':'bulkId:q'}", "{'manager':'" A_ID "01'}" },
		{ "{'title':'see bulkId:q','nickName':'bulkid:q'}",
			"{'title':'see bulkId:q','nickName':'bulkid:q'}" },
		{ "{'$ref':'xbulkId:q'}", "{'$ref':'xbulkId:q'}" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bulk *b = resolved(
			f, arena_printf(f->a,
				   "{'Operations':["
				   "{'method':'PATCH','path':'/Groups/" ID "','data':%s},"
				   "{'method':'POST','path':'/Users','bulkId':'q'," DATA "}]}",
				   table[i].data));

		if (!json_equal(b->ops[0].data, json_of(f, table[i].want)))
			fail_msg("%s gives %s", table[i].data,
				json_dumps(b->ops[0].data, JSON_COMPACT));
		assert_int_equal(b->ops[0].rc, RC_OK);
		if (strstr(table[i].want, A_ID) != NULL) {
			assert_int_equal(b->ops[0].ref_count, 1);
			assert_int_equal(b->ops[0].refs[0], 1);
		} else {
			assert_int_equal(b->ops[0].ref_count, 0);
		}
	}
}

static void
paths_may_be_references(void **state)
{
	struct bulk *b = resolved(*state,
		"{'Operations':["
		"{'method':'DELETE','path':'/Groups/bulkId:g'},"
		"{'method':'POST','path':'/Groups','bulkId':'g','data':{'displayName':'g'}},"
		"{'method':'DELETE','path':'/Groups/bulkId:h'}]}");

	assert_true(b->ops[0].is_uuid);
	assert_true(slice_eq(b->ops[0].id_text, SLICE(A_ID "01")));
	assert_memory_equal(&b->ops[0].id, &b->ops[1].id, UUID_SIZE);
	assert_int_equal(b->ops[2].rc, RC_INVALID_VALUE);
	assert_non_null(strstr(b->ops[2].err.detail, "bulkId:h"));
}

static void
unknown_references_fail_their_operation(void **state)
{
	struct bulk *b = resolved(*state,
		"{'Operations':["
		"{'method':'POST','path':'/"
		"Groups','bulkId':'g','data':{'members':[{'value':'bulkId:nobody'}]}},"
		"{'method':'PATCH','path':'/Groups/" ID
		"','bulkId':'p','data':{'Operations':[{'path':"
		"'members[value eq \\\"bulkId:p\\\"]'}]}},"
		"{'method':'POST','path':'/Users','bulkId':'u'," DATA "}]}");

	assert_int_equal(b->ops[0].rc, RC_INVALID_VALUE);
	assert_non_null(strstr(b->ops[0].err.detail, "nobody"));
	assert_int_equal(b->ops[1].rc, RC_INVALID_VALUE); /* only a POST's bulkId is one */
	assert_int_equal(b->ops[2].rc, RC_OK);
}

static void
assert_order(struct fixture *f, const char *text, const char *want)
{
	const struct bulk *b = resolved(f, text);
	const size_t *order = bulk_order(f->a, b);
	char got[16] = "";

	for (size_t i = 0; i < b->count; i++)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%zu", order[i]);
	assert_string_equal(got, want);
}

#define POST_USER(id) "{'method':'POST','path':'/Users','bulkId':'" id "'," DATA "}"
#define POST_GROUP(id, member)                                                                     \
	"{'method':'POST','path':'/Groups','bulkId':'" id "',"                                     \
	"'data':{'members':[{'value':'bulkId:" member "'}]}}"

static void
order_puts_posts_before_what_names_them(void **state)
{
	assert_order(*state,
		"{'Operations':[" POST_USER("a") "," POST_USER("b") "," POST_GROUP("g", "a") "]}",
		"012");
	assert_order(*state,
		"{'Operations':[" POST_GROUP("g", "b") "," POST_USER("a") "," POST_USER("b") "]}",
		"201");
	assert_order(*state,
		"{'Operations':[" POST_GROUP("a", "b") "," POST_GROUP("b", "c") "," POST_GROUP(
			"c", "d") "," POST_USER("d") "]}",
		"3210");
	/* RFC 7644 section 3.7.1: a circle */
	assert_order(
		*state, "{'Operations':[" POST_GROUP("a", "b") "," POST_GROUP("b", "a") "]}", "10");
	/* itself */
	assert_order(*state, "{'Operations':[" POST_GROUP("a", "a") "," POST_USER("b") "]}", "01");
	/* what is not named stays where it is: the name must be free before it is taken again */
	assert_order(*state,
		"{'Operations':[{'method':'DELETE','path':'/Users/" ID "'}," POST_GROUP("g",
			"b") "," POST_USER("b") ",{'method':'DELETE','path':'/Groups/bulkId:g'}]}",
		"0213");
}

static void
long_chains_are_ordered(void **state)
{
	enum { CHAIN = 20000 };
	struct fixture *f = *state;
	const struct bulk_options options = { DIALECT_TOLERANT, CHAIN, BASE_ORG };
	struct buf text = BUF_INIT;
	struct bulk *b;
	struct err err = ERR_INIT;
	size_t *order;

	BUF_LIT(&text, "{'Operations':[");
	for (int i = 0; i < CHAIN; i++)
		buf_printf(&text,
			"%s{'method':'POST','path':'/Groups','bulkId':'%d','data':{'members':"
			"[{'value':'bulkId:%d'}]}}",
			i > 0 ? "," : "", i, i + 1 < CHAIN ? i + 1 : i);
	BUF_LIT(&text, "]}");
	buf_char(&text, '\0');
	assert_int_equal(bulk_read(f->a, f->set, json_of(f, text.p), &options, &b, &err), RC_OK);
	bulk_resolve(f->a, b);
	order = bulk_order(f->a, b);
	for (size_t i = 0; i < CHAIN; i++)
		assert_int_equal(order[i], CHAIN - 1 - i);
	buf_release(&text);
}

/* RFC 7644 section 3.7.3. */
static void
the_answer(void **state)
{
	struct fixture *f = *state;
	struct bulk *b = resolved(f, "{'Operations':["
				     "{'method':'POST','path':'/Users','bulkId':'qwerty'," DATA "},"
				     "{'method':'POST','path':'/Users','bulkId':'bad'," DATA "},"
				     "{'method':'PUT','path':'/Users/" ID "'," DATA "},"
				     "{'method':'DELETE','path':'/Cars/1'}, 5]}");
	static const struct err stale = { "", "Resource changed" };
	struct buf out = BUF_INIT;

	bulk_write_open(&out);
	bulk_write_entry(&out, true, SLICE("https://h/v2"), &b->ops[0],
		&(struct bulk_result){ 201, RC_OK, NULL, SLICE("W/\"1\"") });
	bulk_write_entry(&out, false, SLICE("https://h/v2"), &b->ops[1],
		&(struct bulk_result){ 400, RC_INVALID_SYNTAX, &stale, { NULL, 0 } });
	bulk_write_entry(&out, false, SLICE("https://h/v2"), &b->ops[2],
		&(struct bulk_result){ 412, RC_PRECONDITION_FAILED, &stale, { NULL, 0 } });
	bulk_write_entry(&out, false, SLICE("https://h/v2"), &b->ops[3],
		&(struct bulk_result){ 404, b->ops[3].rc, &stale, { NULL, 0 } });
	bulk_write_entry(&out, false, SLICE("https://h/v2"), &b->ops[4],
		&(struct bulk_result){ 400, b->ops[4].rc, &stale, { NULL, 0 } });
	bulk_write_close(&out);
#define ERROR                                                                                      \
	"'schemas':['urn:ietf:params:scim:api:messages:2.0:Error'],'detail':'Resource changed'"
	assert_json(f, buf_as_slice(&out),
		json_of(f, "{'schemas':['urn:ietf:params:scim:api:messages:2.0:BulkResponse'],'"
			   "Operations':["
			   "{'method':'POST','bulkId':'qwerty','version':'W/"
			   "\\\"1\\\"','location':'https://h/v2/Users/" A_ID "00',"
			   "'status':'201'},"
			   "{'method':'POST','bulkId':'bad','status':'400','response':{" ERROR
			   ",'status':'400',"
			   "'scimType':'invalidSyntax'}},"
			   "{'method':'PUT','location':'https://h/v2/Users/" ID
			   "','status':'412','response':{" ERROR ",'status':'412'}},"
			   "{'method':'DELETE','location':'https://h/v2/Cars/"
			   "1','status':'404','response':{" ERROR ",'status':'404'}},"
			   "{'status':'400','response':{" ERROR
			   ",'status':'400','scimType':'invalidSyntax'}}]}"));
	buf_release(&out);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(whole_requests_are_refused),
		CASE(long_requests_are_refused),
		CASE(operations_fail_alone),
		CASE(operations_are_read_whole),
		CASE(a_bulk_id_is_there_once),
		CASE(references_become_ids),
		CASE(paths_may_be_references),
		CASE(unknown_references_fail_their_operation),
		CASE(order_puts_posts_before_what_names_them),
		CASE(long_chains_are_ordered),
		CASE(the_answer),
	};

	return RUN(tests);
}
