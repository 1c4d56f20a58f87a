/** The status page: one file without anything from elsewhere; it asks /api/status every second. */
export const STATUS_PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Farshore</title>
<style>
:root{color-scheme:light dark;--line:#8884;--good:#1a7f37;--warn:#9a6700;--bad:#cf222e}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem}
h1{font-size:1.3rem;margin:0 0 .2rem}h1 b{font-weight:600}
.state{display:inline-block;padding:.1rem .6rem;border-radius:1rem;color:#fff;background:var(--warn)}
.state.good{background:var(--good)}.state.bad{background:var(--bad)}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr));gap:1rem;margin:1.2rem 0}
.card{border:1px solid var(--line);border-radius:.5rem;padding:.7rem 1rem}.card h2{font-size:.8rem;margin:0;opacity:.7;font-weight:500}
.card p{font-size:1.5rem;margin:.1rem 0 0;font-variant-numeric:tabular-nums}.card small{opacity:.7}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line)}
#reason{color:var(--warn)}
</style></head><body>
<h1><b id="group"></b> <span class="state" id="state">...</span></h1><div id="sub"></div><p id="reason"></p>
<div class="grid" id="cards"></div><h3>Positions</h3><table id="positions"></table><div id="latency" hidden><h3>Latency in the last minute</h3><table id="latencies"></table></div><h3>Links</h3><table id="links"></table><h3>Volumes</h3><table id="volumes"></table>
<script>
const $=id=>document.getElementById(id);
const bytes=n=>{const u=['B','KiB','MiB','GiB','TiB'];let i=0;while(n>=1024&&i<4){n/=1024;i++}return (i?n.toFixed(1):n)+' '+u[i]};
const ms=n=>n<1?(n*1000).toFixed(n<.01?2:n<.1?1:0)+' ms':n.toFixed(1)+' s';
const rows=(id,head,list)=>{const t=$(id);t.replaceChildren();const tr=(cells,tag)=>{const r=t.insertRow();for(const c of cells){const d=document.createElement(tag);d.textContent=c;r.append(d)}};tr(head,'th');for(const l of list)tr(l,'td')};
const card=(title,value,note)=>{const c=document.createElement('div');c.className='card';for(const [tag,text] of [['h2',title],['p',value],['small',note||'']]){const e=document.createElement(tag);e.textContent=text;c.append(e)}$('cards').append(c)};
async function tick(){try{const s=await (await fetch('/api/status')).json();
document.title='Farshore '+s.group+' '+s.role;$('group').textContent=s.group+' · '+s.role;$('sub').textContent='generation '+s.generation+' · mode '+s.mode+' · up '+Math.round(s.uptimeSeconds)+' s';
const st=$('state');st.textContent=s.state;st.className='state '+({replicating:'good',promoted:'good',failed:'bad',superseded:'bad'}[s.state]||'');$('reason').textContent=s.reason||'';
$('cards').replaceChildren();
if(s.role!=='peer'){card('Copy consistent at data set',s.consistentAt?s.consistentAt.dataSet:'start',s.consistentAt&&s.consistentAt.time?s.consistentAt.reason+', '+s.consistentAt.time.slice(11,23):'');
card('Behind',s.behind.seconds.toFixed(2)+' s',s.behind.dataSets+' data sets, '+bytes(s.behind.bytes)+(s.objectiveSeconds?', objective '+s.objectiveSeconds+' s':''))}
if(s.backlog)card('Unacknowledged',bytes(s.backlog.bytes),'limit '+bytes(s.backlog.limitBytes)+', throttled '+s.backlog.throttledSeconds.toFixed(1)+' s');
if(s.journals.slots)card('Journals',s.journals.active+' / '+s.journals.slots,s.journals.partial+' partial, '+s.journals.failed+' failed');
if(s.peer)card('Peer '+s.peer.address,s.peer.up?'holds '+bytes(s.peer.heldBytes):'down',s.peer.up?s.peer.heldRecords+' records, exposed '+s.peer.exposedRecords:(s.peer.reason||'')+', exposed '+s.peer.exposedRecords);
if(s.nvram)card('NVRAM, hold '+s.nvram.hold,bytes(s.nvram.heldBytes)+' / '+bytes(s.nvram.sizeBytes),s.nvram.heldRecords+' records, '+s.nvram.path);
if(s.nbd)card('NBD clients',String(s.nbd.connections),s.nbd.addresses.join(', '));
if(s.eventLoop)card('Longest stall in a minute',ms(s.eventLoop.longestStallLastMinuteSeconds),ms(s.eventLoop.longestStallSeconds)+' since the start');
const recent=Object.entries(s.latencies).filter(([,l])=>l&&l.lastMinute);$('latency').hidden=!recent.length;
rows('latencies',['','p50','p99','p99.9','max'],recent.map(([name,{lastMinute:l}])=>[name.replace(/[A-Z]/g,c=>' '+c.toLowerCase()),ms(l.p50Seconds),ms(l.p99Seconds),ms(l.p999Seconds),ms(l.maxSeconds)]));
rows('positions',['',...Object.keys(s.dataSets)],[['data set',...Object.values(s.dataSets).map(v=>v??'–')],['sequence',...Object.values(s.sequence).map(v=>v??'–')]]);
rows('links',['address','up','sent','received','last error'],s.links.map(l=>[l.address,l.up?'yes':'no',bytes(l.sentBytes),bytes(l.receivedBytes),l.error||'']));
rows('volumes',['name','VLUN','size','path','store'],s.volumes.map(v=>[v.name,v.vlun,bytes(v.sizeBytes),v.path,v.store]));
}catch(e){$('state').textContent='no answer';$('state').className='state bad'}}
tick();setInterval(tick,1000);
</script></body></html>
`;
