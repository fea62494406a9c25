/* Handlers of actions (the table is in actions.c). */
#ifndef DAEMON_SCIM_ACTS_H
#define DAEMON_SCIM_ACTS_H

#include "daemon/directory/migrate.h"
#include "daemon/scim/request.h"

void act_link(struct request *rq);
void act_unlink(struct request *rq);
void act_withdraw(struct request *rq);
void act_claim(struct request *rq);
void act_transfer(struct request *rq);
void act_migrate(struct request *rq);
void act_verify(struct request *rq);
void act_ca(struct request *rq);
void act_suspend(struct request *rq);
void act_resume(struct request *rq);
void act_rename(struct request *rq);
void act_restore(struct request *rq);
void act_connection_release(struct request *rq);
void act_rotate(struct request *rq);
void act_revoke(struct request *rq);

void act_reserve(struct request *rq);
void act_release(struct request *rq);

/* A plan as JSON; done: what was done, without the classes of members. */
void migration_write(struct buf *out, const struct migration_plan *p, bool done);

#endif
