#include "daemon/mail/template.h"

#include "base/banned.h"

/* MAIL_TEMPLATES (the path of templates/, with a slash) and MAIL_LIST (M(name) for each mail) come
 * from the make rule; the assembler reads the files as they are. */
#define EMBED(symbol, file)                                                                        \
	__asm__(".pushsection .rodata\n"                                                           \
		"mail_" #symbol "_begin:\n"                                                        \
		".incbin \"" MAIL_TEMPLATES file "\"\n"                                            \
		"mail_" #symbol "_end:\n"                                                          \
		".byte 0\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char mail_##symbol##_begin[];                                                 \
	extern const char mail_##symbol##_end[]

#define M(name)                                                                                    \
	EMBED(name##_text, #name ".txt");                                                          \
	EMBED(name##_html, #name ".html");
MAIL_LIST
#undef M

#define PART(symbol)                                                                               \
	{                                                                                          \
		mail_##symbol##_begin, (size_t)(mail_##symbol##_end - mail_##symbol##_begin)       \
	}

bool
mail_template(const char *name, struct slice *text, struct slice *html)
{
#define M(mail) { #mail, PART(mail##_text), PART(mail##_html) },
	const struct {
		const char *name;
		struct slice text, html;
	} mails[] = { MAIL_LIST };
#undef M

	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		if (strcmp(mails[i].name, name) != 0)
			continue;
		*text = mails[i].text;
		*html = mails[i].html;
		return true;
	}
	return false;
}
